package sqlitevfs

import (
	"context"
	"database/sql"
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"hydrant/clone"
	"hydrant/dest"
	"hydrant/internal/faultio"
	"hydrant/source"
	"hydrant/source/scheme"
	"hydrant/source/sourcetest"
)

// The VFS of the tests opens sources by what is in here, and files.
var fakes = struct {
	mu sync.Mutex
	m  map[string]*sourcetest.Fake
}{m: map[string]*sourcetest.Fake{}}

// shared is a source that is closed by many and stays open.
type shared struct{ *sourcetest.Fake }

func (shared) Close() error { return nil }

func openFake(ctx context.Context, address string) (source.Source, error) {
	fakes.mu.Lock()
	defer fakes.mu.Unlock()
	if f := fakes.m[address]; f != nil {
		return shared{f}, nil
	}
	if strings.HasPrefix(address, "fake:") {
		return nil, source.ErrNotFound
	}
	if strings.HasPrefix(address, "silent:") {
		f := sourcetest.NewFake(nil)
		f.Rename(address)
		f.Plan(sourcetest.Always(sourcetest.Fault{Stall: true}))
		return f, nil
	}
	return scheme.Open(ctx, address, scheme.Options{})
}

// destFaults are the destinations whose writes are counted, and fail when told to.
var destFaults = struct {
	mu sync.Mutex
	m  map[string]*faultio.Injector
}{m: map[string]*faultio.Injector{}}

func wrapDest(d dest.Target) dest.Target {
	destFaults.mu.Lock()
	defer destFaults.mu.Unlock()
	if f := destFaults.m[d.Name()]; f != nil {
		return faultio.WrapTarget(d, f)
	}
	return d
}

var events = struct {
	mu sync.Mutex
	m  map[string][]clone.Event
}{m: map[string][]clone.Event{}}

func TestMain(m *testing.M) {
	if len(os.Args) > 1 && strings.HasPrefix(os.Args[1], childPrefix) {
		child(os.Args[1:])
		return
	}
	registerTest()
	// They wait for disks and for each other's locks, not for processors.
	flag.Parse()
	if err := flag.Set("test.parallel", "8"); err != nil {
		panic(err)
	}
	os.Exit(m.Run())
}

func registerTest() {
	err := Register("", &Options{
		OpenSource: openFake,
		WrapDest:   wrapDest,
		OnEvent: func(path string, ev clone.Event) {
			events.mu.Lock()
			defer events.mu.Unlock()
			events.m[path] = append(events.m[path], ev)
		},
	})
	if err != nil {
		panic(err)
	}
}

// newFake makes the file at path a source, and returns it with its address.
func newFake(t *testing.T, path string) (*sourcetest.Fake, string) {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	f := sourcetest.NewFake(b)
	address := "fake:" + path
	f.Rename(address)
	fakes.mu.Lock()
	defer fakes.mu.Unlock()
	fakes.m[address] = f
	return f, address
}

// tempDir is a folder without symbolic links in its name.
func tempDir(t *testing.T) string {
	t.Helper()
	dir, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

// openDSN opens one connection, unless limit says otherwise.
func openDSN(t *testing.T, dsn string) *sql.DB {
	t.Helper()
	db, err := sql.Open("sqlite3", dsn)
	if err == nil {
		err = db.Ping()
	}
	if err != nil {
		t.Fatalf("%s: %v", dsn, err)
	}
	t.Cleanup(func() { db.Close() })
	db.SetMaxOpenConns(1)
	return db
}

// openPlain opens a file by SQLite's own VFS.
func openPlain(t *testing.T, path string) *sql.DB {
	t.Helper()
	return openDSN(t, DSN(path, "", &Params{VFS: "unix"}))
}

func closeDB(t *testing.T, db *sql.DB) {
	t.Helper()
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
}

func run(t *testing.T, db *sql.DB, stmts ...string) {
	t.Helper()
	for _, s := range stmts {
		if _, err := db.Exec(s); err != nil {
			t.Fatalf("%s: %v", s, err)
		}
	}
}

func get[T any](t *testing.T, db *sql.DB, query string) T {
	t.Helper()
	var v T
	if err := db.QueryRow(query).Scan(&v); err != nil {
		t.Fatalf("%s: %v", query, err)
	}
	return v
}

// build is what a source is made of.
type build struct {
	pragmas []string // before the first table
	rows    int
	after   []string
}

const schema = `
	CREATE TABLE t(id INTEGER PRIMARY KEY, a INT, b TEXT, c BLOB);
	CREATE INDEX ta ON t(a);
	CREATE INDEX tb ON t(b, a);
	CREATE TABLE log(n INTEGER PRIMARY KEY, what TEXT);`

func fill(lo, n int) string {
	return fmt.Sprintf(`WITH RECURSIVE s(i) AS (SELECT %d UNION ALL SELECT i+1 FROM s WHERE i < %d)
		INSERT INTO t SELECT i, i*7919%%1000, printf('row %%d %%s', i*31%%997, hex(zeroblob(i%%40))), zeroblob(i%%5*100+i%%17*i%%300) FROM s`,
		lo, lo+n-1)
}

// makeSource builds a database at path with the unix VFS.
func makeSource(t *testing.T, path string, b build) {
	t.Helper()
	db := openPlain(t, path)
	run(t, db, b.pragmas...)
	run(t, db, schema)
	if b.rows > 0 {
		run(t, db, fill(1, b.rows))
	}
	run(t, db, b.after...)
	closeDB(t, db)
}

func copyFile(t *testing.T, from, to string) {
	t.Helper()
	b, err := os.ReadFile(from)
	if err == nil {
		err = os.WriteFile(to, b, 0o644)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// dump is everything in the database, for comparing.
func dump(t *testing.T, db *sql.DB) string {
	t.Helper()
	var b strings.Builder
	for _, q := range []string{
		`SELECT type||'|'||name||'|'||coalesce(sql,'') FROM sqlite_schema ORDER BY 1`,
		`SELECT id||'|'||a||'|'||b||'|'||hex(c) FROM t ORDER BY id`,
		`SELECT id||'|'||a FROM t INDEXED BY ta WHERE a >= 0 ORDER BY a, id`,
		`SELECT n||'|'||what FROM log ORDER BY n`,
	} {
		rows, err := db.Query(q)
		if err != nil {
			t.Fatalf("%s: %v", q, err)
		}
		for rows.Next() {
			var s string
			if err := rows.Scan(&s); err != nil {
				t.Fatal(err)
			}
			b.WriteString(s)
			b.WriteByte('\n')
		}
		if err := rows.Err(); err != nil {
			t.Fatalf("%s: %v", q, err)
		}
		rows.Close()
	}
	return b.String()
}

// same compares a database with its oracle, and checks its structure.
func same(t *testing.T, got, want *sql.DB) {
	t.Helper()
	if s := get[string](t, got, `PRAGMA integrity_check`); s != "ok" {
		t.Fatalf("integrity_check: %s", s)
	}
	g, w := dump(t, got), dump(t, want)
	if g == w {
		return
	}
	gl, wl := strings.Split(g, "\n"), strings.Split(w, "\n")
	for i := range min(len(gl), len(wl)) {
		if gl[i] != wl[i] {
			t.Fatalf("line %d: got %.100q, want %.100q", i, gl[i], wl[i])
		}
	}
	t.Fatalf("got %d lines, want %d", len(gl), len(wl))
}

// waitComplete hydrates what is left.
func waitComplete(t *testing.T, db *sql.DB) {
	t.Helper()
	run(t, db, `SELECT hydrant_hydrate('on')`)
	if got := get[int](t, db, `SELECT hydrant_wait(20)`); got != 1 {
		t.Fatalf("not complete: %s", get[string](t, db, `SELECT hydrant_status()`))
	}
}

// wantGone checks that nothing of the clone's own is left.
func wantGone(t *testing.T, path string) {
	t.Helper()
	entries, err := filepath.Glob(path + "-*")
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		t.Errorf("%s is left", e)
	}
}

func fileExists(t *testing.T, path string) bool {
	t.Helper()
	_, err := os.Lstat(path)
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		t.Fatal(err)
	}
	return err == nil
}

// eventually waits for what another goroutine is about to do.
func eventually(t *testing.T, what string, f func() bool) {
	t.Helper()
	deadline := time.Now().Add(10 * time.Second)
	for !f() {
		if time.Now().After(deadline) {
			t.Fatalf("%s: it never happened", what)
		}
		time.Sleep(time.Millisecond)
	}
}

// pair is a clone, and a plain copy of the same source that goes through the same statements.
type pair struct {
	t         *testing.T
	fake      *sourcetest.Fake
	address   string
	path      string
	db, want  *sql.DB
	runOnBoth func(stmts ...string)
}

// newPair makes one, with nothing hydrated but what is asked for.
func newPair(t *testing.T, b build, params *Params) *pair {
	t.Helper()
	dir := tempDir(t)
	src, oracle := filepath.Join(dir, "src.db"), filepath.Join(dir, "oracle.db")
	makeSource(t, src, b)
	copyFile(t, src, oracle)
	p := &pair{t: t, path: filepath.Join(dir, "app.db"), want: openPlain(t, oracle)}
	p.fake, p.address = newFake(t, src)
	if params == nil {
		params = &Params{}
	}
	params.NoHydrate = true
	p.db = openDSN(t, DSN(p.path, p.address, params))
	p.runOnBoth = func(stmts ...string) {
		t.Helper()
		for _, s := range stmts {
			run(t, p.db, s)
			run(t, p.want, s)
		}
	}
	return p
}

// finish completes the clone, detaches it, and compares once more, as a plain file.
func (p *pair) finish(t *testing.T) {
	t.Helper()
	waitComplete(t, p.db)
	same(t, p.db, p.want)
	closeDB(t, p.db)
	wantGone(t, p.path)
	p.db = openPlain(t, p.path)
	p.runOnBoth(`INSERT INTO log(what) VALUES ('plain')`)
	same(t, p.db, p.want)
}
