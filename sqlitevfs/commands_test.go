package sqlitevfs

import (
	"encoding/json"
	"path/filepath"
	"strings"
	"testing"

	"hydrant/sqlitevfs/shim"
)

// Every command, as a function and as a PRAGMA, on what is not a clone: never NULL.
func TestCommandsOnPlain(t *testing.T) {
	for name, dsn := range map[string]string{
		"memory": ":memory:", "unix": DSN(filepath.Join(tempDir(t), "a.db"), "", &Params{VFS: "unix"}),
		"ours": DSN(filepath.Join(tempDir(t), "b.db"), "", nil),
	} {
		t.Run(name, func(t *testing.T) {
			db := openDSN(t, dsn)
			for cmd, want := range map[string]string{
				"progress": "100", "wait": "1", "hydrate": "1", "sync": "0", "txid": "", "detach": "1",
			} {
				if got := get[string](t, db, `SELECT hydrant_`+cmd+`()`); got != want {
					t.Errorf("%s() is %q, want %q", cmd, got, want)
				}
				if name != "ours" {
					continue // where the VFS is another's, a PRAGMA does not reach us
				}
				if got := get[string](t, db, `PRAGMA hydrant_`+cmd); strings.TrimSuffix(got, ".0") != want {
					t.Errorf("PRAGMA %s is %q, want %q", cmd, got, want)
				}
			}
			if s := get[string](t, db, `SELECT hydrant_status('main')`); !strings.Contains(s, `"state":"detached"`) {
				t.Error(s)
			}
			if _, err := db.Exec(`SELECT hydrant_status('nobody')`); err == nil {
				t.Error("no error for a schema that is not there")
			}
		})
	}
}

func TestStatusFields(t *testing.T) {
	p := newPair(t, build{rows: 3000}, nil)
	var got map[string]any
	if err := json.Unmarshal([]byte(get[string](t, p.db, `PRAGMA hydrant_status`)), &got); err != nil {
		t.Fatal(err)
	}
	for _, field := range []string{
		"state", "mode", "source", "identity", "size", "region_size", "regions_total", "regions_hydrated", "regions_written",
		"bytes_fetched", "requests", "rate_bytes_per_s", "eta_s", "error", "txid", "dirty_pages",
	} {
		if _, ok := got[field]; !ok {
			t.Errorf("no %s", field)
		}
		delete(got, field)
	}
	if len(got) > 0 {
		t.Errorf("and %v", got)
	}
}

func TestCommands(t *testing.T) {
	p := newPair(t, build{rows: 3000}, nil)
	if got := get[float64](t, p.db, `SELECT hydrant_progress()`); got <= 0 || got >= 100 {
		t.Errorf("progress is %v", got)
	}
	if _, err := p.db.Exec(`SELECT hydrant_wait(0)`); err == nil || !strings.Contains(err.Error(), "paused") {
		t.Errorf("wait while off: %v", err)
	}
	if _, err := p.db.Exec(`SELECT hydrant_detach()`); err == nil || !strings.Contains(err.Error(), "not complete") {
		t.Errorf("detach: %v", err)
	}
	run(t, p.db, `BEGIN`, `INSERT INTO log(what) VALUES (1)`)
	if _, err := p.db.Exec(`SELECT hydrant_wait()`); err == nil || !strings.Contains(err.Error(), "transaction") {
		t.Errorf("wait inside a transaction: %v", err)
	}
	run(t, p.db, `ROLLBACK`)
	if got := get[string](t, p.db, `PRAGMA hydrant_hydrate=on`); got != "1" {
		t.Errorf("hydrate: %s", got)
	}
	if got := get[int](t, p.db, `PRAGMA hydrant_wait=20`); got != 1 {
		t.Errorf("wait: %d", got)
	}
	if got := get[float64](t, p.db, `PRAGMA hydrant_progress`); got != 100 {
		t.Errorf("progress is %v", got)
	}
	if got := get[int](t, p.db, `SELECT hydrant_detach()`); got != 1 || fileExists(t, p.path+"-hydrant") {
		t.Errorf("detach: %d", got)
	}
	if s := get[string](t, p.db, `SELECT hydrant_status()`); !strings.Contains(s, `"state":"detached"`) {
		t.Error(s)
	}
	p.runOnBoth(`INSERT INTO log(what) VALUES ('after')`)
	same(t, p.db, p.want)
}

// A schema that somebody else wrote cannot make us do things.
func TestDirectOnly(t *testing.T) {
	db := openDSN(t, ":memory:")
	run(t, db, `CREATE VIEW v AS SELECT hydrant_hydrate(0)`)
	if _, err := db.Exec(`SELECT * FROM v`); err == nil || !strings.Contains(err.Error(), "unsafe use") {
		t.Errorf("got %v", err)
	}
}

// What is local costs no call into Go: a transaction over local pages of an incomplete clone, and
// everything once it is complete.
func TestGoEntries(t *testing.T) {
	for _, mode := range []string{"DELETE", "WAL"} {
		t.Run(mode, func(t *testing.T) {
			p := newPair(t, build{rows: 3000}, nil)
			run(t, p.db, `PRAGMA journal_mode=`+mode, `PRAGMA cache_size=2`, `PRAGMA synchronous=FULL`, `INSERT INTO log(what) VALUES ('x')`)
			local := `SELECT sum(length(b)) FROM t WHERE id < 100`
			get[int](t, p.db, local)
			wantEntries(t, "incomplete", func() {
				for range 10 {
					get[int](t, p.db, local)
				}
			})
			waitComplete(t, p.db)
			get[int](t, p.db, local)
			wantEntries(t, "complete", func() {
				get[int](t, p.db, `SELECT sum(length(c)) FROM t`)
				run(t, p.db, `UPDATE t SET b = 'x' WHERE id % 3 = 0`, `INSERT INTO log(what) VALUES ('y')`)
			})
		})
	}
}

func wantEntries(t *testing.T, what string, f func()) {
	t.Helper()
	before := shim.GoEntries()
	f()
	if n := shim.GoEntries() - before; n != 0 {
		t.Errorf("%s: %d calls into Go", what, n)
	}
}

func TestDSN(t *testing.T) {
	dir := tempDir(t)
	src := filepath.Join(dir, "a b?c&d=e#f+g%41;h'.db")
	makeSource(t, src, build{rows: 300})
	path := filepath.Join(dir, "x y?c&d=e#f+g%41;h'.db")
	db, err := Open(path, src, &Params{NoHydrate: true, More: map[string]string{"_journal_mode": "WAL"}})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if !fileExists(t, path+"-hydrant") {
		t.Error("no clone at the path")
	}
	if got := get[string](t, db, `PRAGMA journal_mode`); got != "wal" {
		t.Error(got)
	}
	same(t, db, openPlain(t, src))
	if _, err := Open(filepath.Join(dir, "n.db"), filepath.Join(dir, "none"), nil); err == nil || !strings.Contains(err.Error(), "not found") {
		t.Errorf("Open of nothing: %v", err)
	}
	if got := DSN("//h/a", "", nil); got != "file:////h/a?vfs=hydrant" {
		t.Error(got)
	}
}

// dest=memory: nothing is made, nothing is written, and a database in WAL mode can be read.
func TestMemory(t *testing.T) {
	dir := tempDir(t)
	src := filepath.Join(dir, "src.db")
	makeSource(t, src, build{rows: 1000, pragmas: []string{`PRAGMA journal_mode=WAL`}})
	fake, address := newFake(t, src)
	path := filepath.Join(dir, "nowhere", "app.db")
	db := openDSN(t, DSN(path, address, &Params{Memory: true}))
	db.SetMaxOpenConns(3)
	db2 := openDSN(t, DSN(path, address, &Params{Memory: true}))
	want := openPlain(t, src)
	same(t, db, want)
	same(t, db2, want)
	if _, err := db.Exec(`INSERT INTO log(what) VALUES ('x')`); err == nil || !strings.Contains(err.Error(), "readonly") {
		t.Errorf("insert: %v", err)
	}
	if s := get[string](t, db, `SELECT hydrant_status()`); !strings.Contains(s, `"mode":"ro"`) {
		t.Error(s)
	}
	if _, err := db.Exec(`SELECT hydrant_wait()`); err == nil {
		t.Error("wait for what will never be local: no error")
	}
	if fileExists(t, filepath.Dir(path)) {
		t.Error("a file was made")
	}
	// Another version has nothing to do with this one, which is in memory as a whole by now.
	fake.Replace([]byte("else"))
	same(t, db, want)
	if err := openErr(DSN(path+"2", address, &Params{Memory: true})); err == nil || !strings.Contains(err.Error(), "not an SQLite database") {
		t.Errorf("something else: %v", err)
	}
}
