package sqlitevfs

import (
	"bytes"
	"database/sql"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"hydrant/clone"
	"hydrant/source"
	"hydrant/source/sourcetest"
)

// What went wrong, on the day it was tried, with the SQLite VFS that comes closest to this one:
// eleven failures, nearly all of them silent. Each has a test here that does the same. Where the
// failure needs a replica to write back to or to follow, which does not exist here yet, the test
// is of what happens locally, and says so.

// slowly makes hydration take a while, so that things happen during it.
func slowly(p *pair) {
	p.fake.Plan(sourcetest.Always(sourcetest.Fault{Latency: 2 * time.Millisecond, Chunk: 16 << 10, Pause: time.Millisecond}))
}

// bandwidth caps what is fetched without being asked for.
func bandwidth(t *testing.T, path string, n int64) {
	t.Helper()
	if err := clone.TunePath(path, clone.Knobs{Bandwidth: &n}); err != nil {
		t.Fatal(err)
	}
}

// F1. There: an updated row read back its old value once its page had left the cache of pages that
// were synced, and the next write to that page published the old ones. Here every page is in the
// local file. (What is written back will be read from there.)
func TestF1UpdateIsReadAfterEviction(t *testing.T) {
	for _, mode := range []string{"DELETE", "WAL"} {
		t.Run(mode, func(t *testing.T) {
			t.Parallel()
			p := newPair(t, build{rows: 3000}, nil)
			p.runOnBoth(`PRAGMA journal_mode=`+mode, `PRAGMA cache_size=2`)
			for round := range 3 {
				p.runOnBoth(fmt.Sprintf(`UPDATE t SET b = 'new %d' WHERE id IN (7, 1500, 2999)`, round))
				run(t, p.db, `SELECT hydrant_sync()`, `SELECT sum(length(c)), sum(length(b)) FROM t`, `PRAGMA shrink_memory`)
				if got := get[int](t, p.db, fmt.Sprintf(`SELECT count(*) FROM t WHERE b = 'new %d'`, round)); got != 3 {
					t.Fatalf("round %d: %d of 3 rows", round, got)
				}
				// The next write to the same page.
				p.runOnBoth(`UPDATE t SET a = a + 1 WHERE id IN (8, 1501, 2998)`)
				same(t, p.db, p.want)
			}
			p.finish(t)
		})
	}
}

// F2. There: inserts one after the other, with syncing on, ended in "database disk image is
// malformed".
func TestF2SustainedInserts(t *testing.T) {
	for _, mode := range []string{"DELETE", "WAL"} {
		t.Run(mode, func(t *testing.T) {
			t.Parallel()
			p := newPair(t, build{rows: 3000}, nil)
			p.runOnBoth(`PRAGMA journal_mode=`+mode, `PRAGMA synchronous=NORMAL`)
			slowly(p)
			run(t, p.db, `SELECT hydrant_hydrate(1)`)
			for i := range 150 {
				p.runOnBoth(fill(10000+(i*7919)%5000, 1))
				if i%50 == 0 {
					run(t, p.db, `SELECT hydrant_sync()`)
				}
			}
			p.fake.Plan(nil)
			p.finish(t)
		})
	}
}

// F3. There: what was written while the copy was made reverted when that was complete, tables
// included, and the next write to the same page made the loss permanent.
func TestF3WriteWhileHydrating(t *testing.T) {
	for _, mode := range []string{"DELETE", "WAL"} {
		t.Run(mode, func(t *testing.T) {
			t.Parallel()
			p := newPair(t, build{rows: 6000}, nil)
			p.runOnBoth(`PRAGMA journal_mode=` + mode)
			bandwidth(t, p.path, 100<<10)
			run(t, p.db, `SELECT hydrant_hydrate(1)`)
			p.runOnBoth(`UPDATE t SET b = 'headline' WHERE id IN (1, 501, 3001)`, `CREATE TABLE window(x)`, `INSERT INTO window VALUES('made while hydrating')`)
			run(t, p.db, `SELECT hydrant_sync()`)
			if get[float64](t, p.db, `SELECT hydrant_progress()`) == 100 {
				t.Fatal("it was complete before anything was written")
			}
			bandwidth(t, p.path, 0)
			waitComplete(t, p.db)
			same(t, p.db, p.want)
			if got := get[string](t, p.db, `SELECT x FROM window`); got != "made while hydrating" {
				t.Error(got)
			}
			p.runOnBoth(`UPDATE t SET a = 0 WHERE id IN (2, 502, 3002)`) // the same pages
			p.finish(t)
		})
	}
}

// F3b. There: a reader that followed the replica during hydration went back by 3,000 rows when it
// was complete. Following does not exist here; the local part is a reader that sees what a writer
// of the same clone commits, and never less than before.
func TestF3bReaderNeverGoesBack(t *testing.T) {
	p := newPair(t, build{rows: 6000}, nil)
	run(t, p.db, `PRAGMA journal_mode=WAL`)
	reader := openDSN(t, DSN(p.path, "", &Params{ReadOnly: true}))
	slowly(p)
	run(t, p.db, `SELECT hydrant_hydrate(1)`)
	seen, complete := 0, false
	for i := 1; !complete || i < 50; i++ {
		complete = complete || get[float64](t, reader, `SELECT hydrant_progress()`) == 100
		run(t, p.db, fmt.Sprintf(`INSERT INTO log(what) VALUES ('%d')`, i))
		got := get[int](t, reader, `SELECT count(*) FROM log`)
		if got < seen || got != i {
			t.Fatalf("%d rows after %d, %d are committed", got, seen, i)
		}
		seen = got
		if i > 20000 {
			t.Fatal("it is never complete")
		}
	}
}

// F4. There: the second connection of a process cut the file that the first was reading from, and
// the process died. Two connections that come and go while the copy is made read what the oracle
// reads.
func TestF4TwoConnections(t *testing.T) {
	p := newPair(t, build{rows: 6000}, nil)
	slowly(p)
	run(t, p.db, `SELECT hydrant_hydrate(1)`)
	first := openDSN(t, DSN(p.path, p.address, nil))
	want := get[int](t, p.want, `SELECT sum(length(b)) FROM t`)
	for range 5 {
		second := openDSN(t, DSN(p.path, p.address, nil))
		for _, db := range []*sql.DB{first, second} {
			if got := get[int](t, db, `SELECT sum(length(b)) FROM t`); got != want {
				t.Fatalf("got %d, want %d", got, want)
			}
		}
		closeDB(t, second)
	}
	same(t, first, p.want)
	p.fake.Plan(nil)
	waitComplete(t, first)
	closeDB(t, first)
	p.finish(t)
}

// F5. There: a file that was kept and opened again later served old pages under the name of new
// ones. Here a clone is of one identity for good: when the source has become another, what is
// local is served, what is not is refused, and nothing is mixed.
func TestF5ReopenAfterTheSourceMovedOn(t *testing.T) {
	p := newPair(t, build{rows: 3000}, nil)
	p.runOnBoth(`INSERT INTO log(what) VALUES('kept')`)
	run(t, p.db, `SELECT count(*) FROM t WHERE id < 100`)
	closeDB(t, p.db)
	newer := filepath.Join(filepath.Dir(p.path), "newer.db")
	makeSource(t, newer, build{rows: 3000, after: []string{`UPDATE t SET b = 'newer'`}})
	other, _ := newFake(t, newer)
	fakes.mu.Lock()
	fakes.m[p.address] = other
	fakes.mu.Unlock()
	other.Rename(p.address)
	p.db = openDSN(t, DSN(p.path, "", nil))
	if got := get[string](t, p.db, `SELECT what FROM log`); got != "kept" {
		t.Error(got)
	}
	if got := get[int](t, p.db, `SELECT count(*) FROM t WHERE id < 100 AND b = 'newer'`); got != 0 {
		t.Errorf("%d rows of another blob", got)
	}
	if _, err := p.db.Exec(`SELECT sum(length(c)) FROM t`); err == nil || !strings.Contains(err.Error(), "disk I/O error") {
		t.Errorf("cold read: %v", err)
	}
	if got := get[string](t, p.db, `SELECT hydrant_last_error()`); !strings.Contains(got, "changed") {
		t.Errorf("it says %q", got)
	}
}

// F6. There: of two pooled connections that both wrote, one commit was lost, without an error.
// (TestPool does it at length.)
func TestF6TwoWriters(t *testing.T) {
	for _, mode := range []string{"DELETE", "WAL"} {
		t.Run(mode, func(t *testing.T) {
			t.Parallel()
			p := newPair(t, build{rows: 3000}, &Params{More: map[string]string{"_busy_timeout": "20000", "_txlock": "immediate"}})
			run(t, p.db, `PRAGMA journal_mode=`+mode)
			p.db.SetMaxOpenConns(2)
			var wg sync.WaitGroup
			for w := range 2 {
				wg.Go(func() {
					for i := range 20 {
						if _, err := p.db.Exec(`INSERT INTO log(what) VALUES (?)`, fmt.Sprint(w, " ", i)); err != nil {
							t.Error(err)
						}
					}
				})
			}
			wg.Wait()
			if got := get[int](t, p.db, `SELECT count(DISTINCT what) FROM log`); got != 40 {
				t.Errorf("%d of 40 commits", got)
			}
		})
	}
}

// F7. There: two processes wrote the same transaction number to the replica, and both were told
// that it had worked. Writing back does not exist here; two processes that write to one clone are
// kept apart by SQLite's own locks, and all of both is there.
func TestF7TwoProcesses(t *testing.T) {
	for _, mode := range []string{"DELETE", "WAL"} {
		t.Run(mode, func(t *testing.T) {
			t.Parallel()
			c := newCrowd(t, mode, 2000)
			c.start("write", "a", "30")
			c.start("write", "b", "30")
			c.wait()
			c.expectCommits(60)
			c.finish()
		})
	}
}

// F8. There: with a time set, reads jumped to the latest data when the copy was complete, and writes
// were taken and undid newer ones. Here there is no time travel yet, and at= is refused in words
// rather than ignored.
func TestF8TimeTravelIsRefused(t *testing.T) {
	p := newPair(t, build{rows: 100}, nil)
	read := func() []byte {
		b, err := os.ReadFile(p.path) // what lies beside it the keeper writes when it likes
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	before := read()
	for _, address := range []string{"", p.address} {
		err := openErr(DSN(p.path, address, &Params{More: map[string]string{"at": "2024-01-01T00:00:00Z"}}))
		if err == nil || !strings.Contains(err.Error(), "at=") {
			t.Errorf("at= on a clone: %v", err)
		}
	}
	if !bytes.Equal(read(), before) {
		t.Error("it changed something")
	}
	same(t, p.db, p.want)
}

// F9. There: a reader that had been there for long found that its snapshot was gone from the
// replica, and was told "database is locked" for ever; a new connection worked. Here a source that
// goes away for a while costs cold reads an I/O error, and the same connection goes on when it is
// back.
func TestF9LongReaderSurvivesTheSource(t *testing.T) {
	p := newPair(t, build{rows: 3000}, nil)
	run(t, p.db, `PRAGMA journal_mode=WAL`)
	tx, err := p.db.Begin()
	if err != nil {
		t.Fatal(err)
	}
	defer tx.Rollback()
	var n int
	if err := tx.QueryRow(`SELECT count(*) FROM log`).Scan(&n); err != nil {
		t.Fatal(err)
	}
	p.fake.Plan(sourcetest.Always(sourcetest.Fault{Err: source.WithKind(errBroken, source.Final)}))
	for range 3 {
		if err := tx.QueryRow(`SELECT sum(length(c)) FROM t`).Scan(&n); err == nil || !strings.Contains(err.Error(), "disk I/O error") {
			t.Fatalf("while it is gone: %v", err)
		}
	}
	p.fake.Plan(nil)
	eventually(t, "the same transaction reads on", func() bool { return tx.QueryRow(`SELECT sum(length(c)) FROM t`).Scan(&n) == nil })
	if want := get[int](t, p.want, `SELECT sum(length(c)) FROM t`); n != want {
		t.Errorf("got %d, want %d", n, want)
	}
}

// F10. There: once the extension had been loaded, no other database of the process could be opened.
// Others, through our VFS and not, in memory and not, before and after, are what they ever were.
func TestF10OtherDatabases(t *testing.T) {
	dir := tempDir(t)
	in := func(name string) string { return filepath.Join(dir, name) }
	try := func(name string) {
		for i, dsn := range []string{
			DSN(in(name+"-unix.db"), "", &Params{VFS: "unix"}), DSN(in(name+"-hydrant.db"), "", nil), in(name + "-default.db"),
			":memory:", "file:" + name + "?mode=memory&cache=shared", DSN(in(name+"-dotfile.db"), "", &Params{VFS: "unix-dotfile"}),
		} {
			db := openDSN(t, dsn)
			run(t, db, schema, fill(1, 50))
			if got := get[string](t, db, `PRAGMA integrity_check`); got != "ok" {
				t.Errorf("%s %d: %s", name, i, got)
			}
			if got := get[float64](t, db, `SELECT hydrant_progress()`); got != 100 {
				t.Errorf("%s %d: progress %v", name, i, got)
			}
			closeDB(t, db)
		}
	}
	try("before")
	p := newPair(t, build{rows: 300}, nil)
	try("during")
	p.finish(t)
	try("after")
}

// F11. There: VACUUM to another page size ended the process. The clone's regions stay as they are,
// whatever the page size becomes.
func TestF11VacuumToAnotherPageSize(t *testing.T) {
	for _, size := range []int{512, 1024, 16384, 65536} {
		for _, hydrating := range []bool{false, true} {
			t.Run(fmt.Sprint(size, hydrating), func(t *testing.T) {
				t.Parallel()
				p := newPair(t, build{rows: 2000}, nil)
				if hydrating {
					slowly(p)
					run(t, p.db, `SELECT hydrant_hydrate(1)`)
				}
				p.runOnBoth(fmt.Sprintf(`PRAGMA page_size=%d`, size), `VACUUM`, `INSERT INTO log(what) VALUES('vacuumed')`)
				if got := get[int](t, p.db, `PRAGMA page_size`); got != size {
					t.Errorf("page size %d", got)
				}
				p.fake.Plan(nil)
				same(t, p.db, p.want)
				p.finish(t)
			})
		}
	}
}
