package sqlitevfs

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"hydrant/sqlitevfs/internal/sqlapi"
)

// statement is a piece of work that reads pages and writes pages, for sweeps in which one of them
// cannot be had.
type statement struct {
	name   string
	pragma string   // of the source, before its first table
	last   []string // of the source, after its last row
	before []string // on the clone, before anything fails
	alone  bool     // not inside of BEGIN and COMMIT
	attach bool     // there is a second clone, attached as aux
	modes  string   // journal modes it makes sense in, "" for all
	steps  []string
	do     func(*sqlapi.Conn) error // in place of steps
}

// statements each touch several trees, so that half of one would be seen.
var statements = []statement{
	{name: "insert", steps: []string{
		`INSERT INTO t VALUES(1001, 77, 'm' || hex(zeroblob(900)), zeroblob(3000), 'u1001'), (1002, -5, 'a', x'00', 'u1002')`,
		`INSERT INTO t VALUES(-3, 900, 'zz' || hex(zeroblob(900)), zeroblob(9000), 'u-3')`,
	}},
	{name: "update", steps: []string{
		`UPDATE t SET a = a*7%1000, b = substr(b, 5) || b WHERE id % 5 = 0`,
	}},
	{name: "delete cascade", before: []string{`PRAGMA foreign_keys=ON`}, steps: []string{
		`INSERT INTO log(what) VALUES('cascade')`,
		`DELETE FROM parent WHERE id % 3 = 0`,
	}},
	{name: "triggers", steps: []string{
		`UPDATE fired SET v = v + 1 WHERE id % 4 = 1`,
		`DELETE FROM fired WHERE id % 7 = 2`,
	}},
	{name: "recursive trigger", before: []string{`PRAGMA recursive_triggers=ON`}, steps: []string{
		`INSERT INTO chain VALUES(9, hex(zeroblob(1500)))`,
	}},
	{name: "insert select", steps: []string{
		`INSERT INTO copies SELECT id+5000, b, u FROM t WHERE id % 2`,
	}},
	{name: "upsert", steps: []string{
		`INSERT INTO t SELECT id*3, 1, 'up', zeroblob(4000), 'x' || id FROM t WHERE id < 60 ON CONFLICT(id) DO UPDATE SET a = excluded.a, b = b || 'up'`,
	}},
	{name: "replace", steps: []string{
		`REPLACE INTO t SELECT id+2000, 3, 'rep', zeroblob(2500), 'u' || (id*2) FROM t WHERE id < 40`,
	}},
	{name: "or ignore", steps: []string{
		`UPDATE OR IGNORE t SET u = 'u' || (id+1), a = -a WHERE id < 60`,
	}},
	{name: "select inside", steps: []string{
		`INSERT INTO log(what) VALUES('one')`,
		`SELECT count(*), sum(length(b)) FROM t`,
		`SELECT sum(length(pad)) FROM child`,
		`INSERT INTO log(what) VALUES('two')`,
	}},
	{name: "create index", steps: []string{`CREATE INDEX tab ON t(a, u, b)`}},
	{name: "drop index", steps: []string{`DROP INDEX tb`, `REINDEX ta`}},
	{name: "alter table", steps: []string{
		`ALTER TABLE child ADD COLUMN extra TEXT DEFAULT 'e'`,
		`ALTER TABLE child DROP COLUMN extra2`,
		`ALTER TABLE child RENAME TO kid`,
	}},
	{name: "drop table", steps: []string{`DROP TABLE t`, `CREATE TABLE t(id INTEGER PRIMARY KEY, only TEXT)`}},
	{name: "without rowid", steps: []string{`DELETE FROM wr WHERE k LIKE '%3%'`, `INSERT INTO wr SELECT 'n' || k, v FROM wr LIMIT 20`}},
	{name: "vacuum", alone: true, steps: []string{`VACUUM`}},
	{name: "vacuum page size", alone: true, modes: "DELETE TRUNCATE PERSIST", steps: []string{`PRAGMA page_size=8192; VACUUM`}},
	{name: "incremental vacuum", pragma: `PRAGMA auto_vacuum=INCREMENTAL`, last: []string{`DELETE FROM t WHERE id % 2`}, steps: []string{
		`DELETE FROM child WHERE id % 3 = 0`, `PRAGMA incremental_vacuum`,
	}},
	{name: "auto vacuum", pragma: `PRAGMA auto_vacuum=FULL`, steps: []string{`DELETE FROM t WHERE id < 60`, `DROP TABLE copies`}},
	{name: "blob write", do: func(c *sqlapi.Conn) error { return c.Blob("t", "c", 17, true) }},
	{name: "blob read", do: func(c *sqlapi.Conn) error { return c.Blob("t", "c", 80, false) }},
	{name: "savepoints", steps: []string{
		`SAVEPOINT one`, `UPDATE t SET a = a+1 WHERE id % 3 = 0`,
		`SAVEPOINT two`, `DELETE FROM t WHERE id % 3 = 1`, `ROLLBACK TO two`,
		`INSERT INTO copies SELECT id+7000, b, u FROM t WHERE id % 4 = 1`, `RELEASE one`,
	}},
	{name: "spill", before: []string{`PRAGMA cache_size=2`}, steps: []string{
		`UPDATE t SET b = b || 'spilled', a = id`, `UPDATE child SET pad = 'x' || pad`, `DELETE FROM t WHERE id % 9 = 0`,
	}},
	{name: "spilled savepoint", before: []string{`PRAGMA cache_size=2`}, steps: []string{
		`UPDATE t SET b = b || 'first', a = id`, `SAVEPOINT s`, `UPDATE t SET b = 'second', c = NULL`, `UPDATE child SET pad = ''`,
		`ROLLBACK TO s`, `UPDATE parent SET name = 'third'`, `RELEASE s`,
	}},
	{name: "wal checkpoint", alone: true, modes: "WAL", before: []string{
		`PRAGMA wal_autocheckpoint=0`, `UPDATE t SET a = a+1 WHERE id % 3 = 0`, `INSERT INTO copies SELECT id+9000, b, u FROM t`,
	}, steps: []string{`PRAGMA wal_checkpoint(TRUNCATE)`}},
	{name: "autocheckpoint", modes: "WAL", before: []string{`PRAGMA wal_autocheckpoint=1`}, steps: []string{
		`UPDATE child SET pad = 'y' || pad WHERE id % 4 = 0`,
	}},
	{name: "leave wal", alone: true, modes: "WAL", before: []string{`UPDATE t SET a = a+1 WHERE id % 7 = 0`}, steps: []string{
		`PRAGMA journal_mode=DELETE`, `UPDATE child SET pad = 'z' || pad WHERE id % 9 = 0`,
	}},
	{name: "enter wal", alone: true, modes: "DELETE", steps: []string{
		`PRAGMA journal_mode=WAL`, `UPDATE child SET pad = 'z' || pad WHERE id % 9 = 0`,
	}},
	{name: "attach", attach: true, steps: []string{
		`UPDATE main.t SET a = a+1, b = b || 'm' WHERE id % 6 = 0`,
		`UPDATE aux.t SET a = a+1, b = b || 'x' WHERE id % 6 = 1`,
		`INSERT INTO aux.copies SELECT id+5000, b, u FROM main.t WHERE id % 3 = 2`,
	}},
	{name: "analyze", steps: []string{`ANALYZE`, `PRAGMA user_version=7`}},
}

func statementNamed(name string) *statement {
	for i := range statements {
		if statements[i].name == name {
			return &statements[i]
		}
	}
	panic("no statement " + name)
}

// sheet is a geometry: what one fetch brings, and what one write covers.
type sheet struct {
	name   string
	page   int
	region int64 // 0: the page
	rows   int
	pad    int // bytes, of what makes a row long
}

// sheets: each page a fetch of its own; writes that cover a part of a region; several pages a fetch.
var sheets = map[string]sheet{
	"page":   {"page", 65536, 0, 90, 6000},
	"part":   {"part", 4096, 65536, 250, 2000},
	"window": {"window", 1024, 0, 250, 1200},
}

// make builds the source of a statement at path.
func (s *statement) make(t testing.TB, sh sheet, path string) {
	t.Helper()
	c, err := sqlapi.Open(DSN(path, "", &Params{VFS: "unix"}))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	// In no order, so that what lies together in a tree does not in the file.
	some := fmt.Sprintf(`WITH RECURSIVE s(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM s WHERE i < %d), r(i) AS (SELECT i*37%%%d+1 FROM s)`, sh.rows, sh.rows+1)
	pad := func(n int) string { return fmt.Sprintf(`substr(hex(zeroblob(%d)), 1, %d + i*31%%97)`, n/2+60, n) }
	for _, sql := range append([]string{
		fmt.Sprintf(`PRAGMA page_size=%d`, sh.page), s.pragma, `PRAGMA journal_mode=OFF`, `PRAGMA synchronous=OFF`,
		`CREATE TABLE t(id INTEGER PRIMARY KEY, a INT, b TEXT, c BLOB, u TEXT UNIQUE)`,
		`CREATE INDEX ta ON t(a)`, `CREATE INDEX tb ON t(b, a)`,
		`CREATE TABLE log(n INTEGER PRIMARY KEY, what TEXT)`,
		`CREATE TABLE parent(id INTEGER PRIMARY KEY, name TEXT)`,
		`CREATE TABLE child(id INTEGER PRIMARY KEY, pid INT REFERENCES parent ON DELETE CASCADE, pad TEXT, extra2 TEXT)`,
		`CREATE INDEX childpid ON child(pid, pad)`,
		`CREATE TABLE grand(id INTEGER PRIMARY KEY, cid INT REFERENCES child ON DELETE CASCADE, pad TEXT)`,
		`CREATE INDEX grandcid ON grand(cid)`,
		`CREATE TABLE fired(id INTEGER PRIMARY KEY, v INT, pad TEXT)`, `CREATE TABLE heard(id INTEGER PRIMARY KEY, v INT, pad TEXT)`,
		`CREATE TRIGGER f1 AFTER UPDATE ON fired BEGIN
			INSERT INTO heard(v, pad) VALUES(new.v, old.pad); UPDATE parent SET name = 'heard' WHERE id = new.id; END`,
		`CREATE TRIGGER f2 BEFORE DELETE ON fired BEGIN
			DELETE FROM heard WHERE id = old.id; UPDATE t SET a = -1 WHERE id = old.id; END`,
		`CREATE TABLE chain(depth INT, pad TEXT)`, `CREATE INDEX chainpad ON chain(pad, depth)`,
		`CREATE TRIGGER c1 AFTER INSERT ON chain WHEN new.depth > 0 BEGIN
			INSERT INTO chain VALUES(new.depth-1, new.pad || new.depth); UPDATE parent SET name = name || new.depth WHERE id = new.depth*7; END`,
		`CREATE TABLE copies(id INTEGER PRIMARY KEY, b TEXT, u TEXT)`, `CREATE INDEX copiesb ON copies(b)`,
		`CREATE TABLE wr(k TEXT PRIMARY KEY, v TEXT) WITHOUT ROWID`,
		some + ` INSERT INTO t SELECT i, i*7919%1000, i*31%997 || ` + pad(sh.pad/3) + `, zeroblob(` + fmt.Sprint(sh.pad) + `+i*131%777), 'u' || (i*2) FROM r`,
		some + ` INSERT INTO parent SELECT i, ` + pad(sh.pad/2) + ` FROM r`,
		some + ` INSERT INTO child SELECT i, i*13%` + fmt.Sprint(sh.rows) + `+1, i*7%89 || ` + pad(sh.pad/3) + `, 'e' FROM r`,
		some + ` INSERT INTO grand SELECT i, i*17%` + fmt.Sprint(sh.rows) + `+1, ` + pad(sh.pad/3) + ` FROM r`,
		some + ` INSERT INTO fired SELECT i, i, ` + pad(sh.pad/2) + ` FROM r`,
		some + ` INSERT INTO heard SELECT i*3, i, ` + pad(sh.pad/2) + ` FROM r`,
		some + ` INSERT INTO chain SELECT 0, i*41%83 || ` + pad(sh.pad/2) + ` FROM r`,
		some + ` INSERT INTO copies SELECT i, i*11%79 || ` + pad(sh.pad/2) + `, i FROM r`,
		some + ` INSERT INTO wr SELECT i*29%1000 || '-' || i, ` + pad(sh.pad/2) + ` FROM r`,
		fmt.Sprintf(`UPDATE t SET c = zeroblob(%d) WHERE id IN (17, 80)`, 8*sh.page),
	}, s.last...) {
		if err := c.Exec(sql); err != nil {
			t.Fatalf("%.60s: %v", sql, err)
		}
	}
}

// blueprint is the source of a statement, and what its steps make of it.
type blueprint struct {
	content []byte
	states  []uint64 // digests: before the first step, after it, … after the last
}

var blueprints struct {
	mu sync.Mutex
	m  map[string]*blueprint
}

// blueprintOf builds it once for each statement and geometry.
func blueprintOf(t testing.TB, s *statement, sh sheet, mode string) *blueprint {
	t.Helper()
	key := s.name + "/" + sh.name + "/" + mode
	blueprints.mu.Lock()
	defer blueprints.mu.Unlock()
	if b := blueprints.m[key]; b != nil {
		return b
	}
	dir, err := os.MkdirTemp(sweepDir(), "blueprint")
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(dir)
	path := filepath.Join(dir, "src.db")
	s.make(t, sh, path)
	b := &blueprint{}
	if b.content, err = os.ReadFile(path); err != nil {
		t.Fatal(err)
	}
	c, err := sqlapi.Open(DSN(path, "", &Params{VFS: "unix"}))
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	if s.attach {
		aux := filepath.Join(dir, "aux.db")
		if err := os.WriteFile(aux, b.content, 0o644); err != nil {
			t.Fatal(err)
		}
		mustExec(t, c, `ATTACH '`+aux+`' AS aux`)
	}
	mustExec(t, c, `PRAGMA journal_mode=`+mode)
	mustExec(t, c, s.before...)
	b.states = append(b.states, digestOf(t, c, s.attach))
	if !s.alone {
		mustExec(t, c, `BEGIN`)
	}
	for i := range s.count() {
		if err := s.step(c, i); err != nil {
			t.Fatalf("%s: %v", s.name, err)
		}
		b.states = append(b.states, digestOf(t, c, s.attach))
	}
	if !s.alone {
		mustExec(t, c, `COMMIT`)
	}
	if blueprints.m == nil {
		blueprints.m = map[string]*blueprint{}
	}
	blueprints.m[key] = b
	return b
}

func (s *statement) count() int {
	if s.do != nil {
		return 1
	}
	return len(s.steps)
}

func (s *statement) step(c *sqlapi.Conn, i int) error {
	if s.do != nil {
		return s.do(c)
	}
	return c.Exec(s.steps[i])
}

func (s *statement) fits(mode string) bool {
	return s.modes == "" || strings.Contains(s.modes, mode)
}

func mustExec(t testing.TB, c *sqlapi.Conn, stmts ...string) {
	t.Helper()
	for _, sql := range stmts {
		if err := c.Exec(sql); err != nil {
			t.Fatalf("%s: %v", sql, err)
		}
	}
}

// digest is of every table and the schema, those of aux included.
func digest(c *sqlapi.Conn, attached bool) (hash uint64, err error) {
	schemas := []string{"main"}
	if attached {
		schemas = append(schemas, "aux")
	}
	for _, schema := range schemas {
		list, err := c.Text(`SELECT group_concat(name) FROM (SELECT name FROM ` + schema + `.sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%' ORDER BY name)`)
		if err != nil {
			return 0, err
		}
		queries := []string{
			`SELECT type, name, sql FROM ` + schema + `.sqlite_schema ORDER BY type, name`,
			`PRAGMA ` + schema + `.user_version`,
		}
		for _, table := range strings.Split(list, ",") {
			queries = append(queries, `SELECT * FROM `+schema+`."`+table+`" ORDER BY 1, 2`)
		}
		for _, q := range queries {
			if err := c.Digest(q, &hash); err != nil {
				return 0, fmt.Errorf("%s: %w", q, err)
			}
		}
	}
	return hash, nil
}

func digestOf(t testing.TB, c *sqlapi.Conn, attached bool) uint64 {
	t.Helper()
	h, err := digest(c, attached)
	if err != nil {
		t.Fatal(err)
	}
	return h
}

// sweepDir is a folder in memory where there is one: what is tried here has no power to lose.
func sweepDir() string {
	if st, err := os.Stat("/dev/shm"); err == nil && st.IsDir() {
		return "/dev/shm"
	}
	return ""
}
