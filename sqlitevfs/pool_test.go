package sqlitevfs

import (
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"hydrant/clone"
	"hydrant/source/sourcetest"
)

// Many connections read and write while the copy is made, and across the moment when it is
// complete. No commit is lost, and nothing reverts: F3, F4 and F6 of the comparison.
func TestPool(t *testing.T) {
	for _, mode := range []string{"DELETE", "WAL"} {
		t.Run(mode, func(t *testing.T) {
			t.Parallel()
			p := newPair(t, build{rows: 8000}, &Params{More: map[string]string{"_busy_timeout": "20000", "_txlock": "immediate"}})
			run(t, p.db, `PRAGMA journal_mode=`+mode)
			run(t, p.want, `PRAGMA journal_mode=`+mode)
			p.fake.Plan(sourcetest.Always(sourcetest.Fault{Latency: 3 * time.Millisecond, Chunk: 32 << 10, Pause: time.Millisecond}))
			p.db.SetMaxOpenConns(4)
			run(t, p.db, `SELECT hydrant_hydrate(1)`)
			const writers, commits = 3, 25
			var wg sync.WaitGroup
			for w := range writers {
				wg.Go(func() {
					rng := rand.New(rand.NewPCG(uint64(w), 1))
					for i := range commits {
						id := 1 + w + writers*rng.IntN(2000)
						tx, err := p.db.Begin()
						if err == nil {
							_, err = tx.Exec(`INSERT INTO log(n, what) VALUES (?, ?)`, w*1000+i, fmt.Sprint(w, "-", i))
						}
						if err == nil {
							_, err = tx.Exec(`UPDATE t SET a = ?, b = b || 'w' WHERE id = ?`, 100000+i, id)
						}
						if err == nil {
							err = tx.Commit()
						}
						if err != nil {
							t.Error(err)
							return
						}
						var n int
						if err := p.db.QueryRow(`SELECT count(*) FROM log WHERE n/1000 = ?`, w).Scan(&n); err != nil || n != i+1 {
							t.Errorf("writer %d sees %d of its %d commits, %v", w, n, i+1, err)
							return
						}
					}
				})
			}
			wg.Wait()
			for w := range writers { // the oracle, one after the other: they touch different rows
				rng := rand.New(rand.NewPCG(uint64(w), 1))
				for i := range commits {
					run(t, p.want, fmt.Sprintf(`INSERT INTO log(n, what) VALUES (%d, '%v')`, w*1000+i, fmt.Sprint(w, "-", i)),
						fmt.Sprintf(`UPDATE t SET a = %d, b = b || 'w' WHERE id = %d`, 100000+i, 1+w+writers*rng.IntN(2000)))
				}
			}
			p.fake.Plan(nil)
			waitComplete(t, p.db)
			same(t, p.db, p.want)
			closeDB(t, p.db)
			p.db = openPlain(t, p.path)
			same(t, p.db, p.want)
		})
	}
}

// mmap gets what is local, and reads get the rest.
func TestMmap(t *testing.T) {
	for _, mode := range []string{"DELETE", "WAL"} {
		t.Run(mode, func(t *testing.T) {
			t.Parallel()
			p := newPair(t, build{rows: 3000}, nil)
			p.runOnBoth(`PRAGMA mmap_size=100000000`, `PRAGMA journal_mode=`+mode)
			p.runOnBoth(`UPDATE t SET b = 'x' WHERE id < 200`)
			for range 3 {
				same(t, p.db, p.want)
				p.runOnBoth(`UPDATE t SET a = a+1 WHERE id % 9 = 0`, `DELETE FROM t WHERE id % 50 = 1`, `PRAGMA incremental_vacuum`)
			}
			p.runOnBoth(`DELETE FROM t WHERE id > 500`, `VACUUM`)
			same(t, p.db, p.want)
			p.finish(t)
		})
	}
}

// Closed and opened again after each statement, one is as good as any other moment.
func TestReopen(t *testing.T) {
	for _, mode := range []string{"DELETE", "WAL"} {
		t.Run(mode, func(t *testing.T) {
			t.Parallel()
			p := newPair(t, build{rows: 2000}, nil)
			stmts := append([]string{`PRAGMA journal_mode=` + mode}, workload...)
			for i, s := range stmts {
				p.runOnBoth(s)
				closeDB(t, p.db)
				// By turns: as it is, with the source named again, hydrating a little.
				params := &Params{}
				if i%3 == 2 {
					params.More = map[string]string{"hydrate": "on", "bandwidth": "100KB"}
				}
				address := ""
				if i%2 == 1 {
					address = p.address
				}
				p.db = openDSN(t, DSN(p.path, address, params))
			}
			run(t, p.db, `SELECT hydrant_hydrate(1)`)
			same(t, p.db, p.want)
			waitComplete(t, p.db)
			closeDB(t, p.db)
			p.db = openDSN(t, DSN(p.path, p.address, nil)) // source= on what is a plain file now
			same(t, p.db, p.want)
		})
	}
}

// A source in WAL mode makes a clone in WAL mode. Its own WAL, had it one, is not part of it.
func TestWALSource(t *testing.T) {
	p := newPair(t, build{rows: 1000, pragmas: []string{`PRAGMA journal_mode=WAL`}}, nil)
	if got := get[string](t, p.db, `PRAGMA journal_mode`); got != "wal" {
		t.Error(got)
	}
	p.runOnBoth(workload[0])
	if !fileExists(t, p.path+"-hydrant-wal") || fileExists(t, p.path+"-wal") {
		t.Error("the WAL is not where it should be")
	}
	p.runOnBoth(workload[1:]...)
	same(t, p.db, p.want)
	p.finish(t)
}

// Sources that are hardly one.
func TestOddSources(t *testing.T) {
	dir := tempDir(t)
	small := filepath.Join(dir, "small.db")
	makeSource(t, small, build{pragmas: []string{`PRAGMA page_size=512`}})
	db := openDSN(t, DSN(filepath.Join(dir, "a.db"), small, nil))
	run(t, db, fill(1, 100))
	waitComplete(t, db)

	empty, _ := filepath.Abs(filepath.Join(dir, "empty"))
	copyFile(t, "/dev/null", empty)
	db = openDSN(t, DSN(filepath.Join(dir, "b.db"), empty, nil))
	run(t, db, schema, fill(1, 100))
	closeDB(t, db)
	wantGone(t, filepath.Join(dir, "b.db"))
}

// A clone that is complete says so, once, to whoever registered.
func TestEvents(t *testing.T) {
	p := newPair(t, build{rows: 100}, nil)
	waitComplete(t, p.db)
	closeDB(t, p.db)
	events.mu.Lock()
	defer events.mu.Unlock()
	n := 0
	for _, ev := range events.m[p.path] {
		if ev.Kind == clone.Completed {
			n++
		}
	}
	if n != 1 {
		t.Errorf("%d events, of %v", n, events.m[p.path])
	}
}

// One long reader does not see what is written after it began, while the pages it has yet to read
// come from the source: F9, and snapshot isolation in WAL mode.
func TestLongReader(t *testing.T) {
	p := newPair(t, build{rows: 3000}, nil)
	run(t, p.db, `PRAGMA journal_mode=WAL`)
	p.db.SetMaxOpenConns(2)
	tx, err := p.db.Begin()
	if err != nil {
		t.Fatal(err)
	}
	var before int
	if err := tx.QueryRow(`SELECT count(*) FROM log`).Scan(&before); err != nil {
		t.Fatal(err)
	}
	for i := range 20 {
		run(t, p.db, fmt.Sprintf(`UPDATE t SET b = 'new' WHERE id BETWEEN %d AND %d`, i*100, i*100+20))
	}
	var after int
	if err := tx.QueryRow(`SELECT count(*) FROM t WHERE b = 'new'`).Scan(&after); err != nil || after != 0 {
		t.Errorf("%d rows from the future, %v", after, err)
	}
	if err := tx.Rollback(); err != nil {
		t.Fatal(err)
	}
	if got := get[int](t, p.db, `SELECT count(*) FROM t WHERE b = 'new'`); got != 20*21-1 {
		t.Errorf("%d rows", got)
	}
}
