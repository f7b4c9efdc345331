package sqlitevfs

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"hydrant/clone"
)

// Completing the clone takes SQLite's locks. The only connection of a process, with no patience at
// all, must never be told that its database is locked.
func TestCompletionLocksNobodyOut(t *testing.T) {
	for _, mode := range []string{"DELETE", "WAL"} {
		t.Run(mode, func(t *testing.T) {
			dir := tempDir(t)
			src := filepath.Join(dir, "src.db")
			makeSource(t, src, build{rows: 300})
			for life := range 10 {
				path := filepath.Join(dir, fmt.Sprintf("app%d.db", life))
				db := openDSN(t, DSN(path, src, &Params{More: map[string]string{"_busy_timeout": "0"}}))
				db.SetMaxOpenConns(1)
				until := time.Now().Add(10 * time.Second)
				for done := false; !done; {
					if time.Now().After(until) {
						t.Fatal("it is never completed")
					}
					done = get[float64](t, db, `SELECT hydrant_progress()`) == 100
					for _, sql := range []string{
						`PRAGMA journal_mode=` + mode,
						`BEGIN`, `SELECT count(*) FROM log`, `INSERT INTO log(what) VALUES ('upgraded')`, `COMMIT`,
						`PRAGMA journal_mode=DELETE`,
						`INSERT INTO log(what) VALUES ('alone')`,
					} {
						if _, err := db.Exec(sql); err != nil {
							t.Fatalf("life %d: %s: %v", life, sql, err)
						}
					}
				}
				closeDB(t, db)
			}
		})
	}
}

// holdNames is another opening of the clone, which to the engine is another process, that is in the
// middle of using a companion's name. What it returns ends that.
func holdNames(t *testing.T, p *pair) (release func()) {
	t.Helper()
	c, err := clone.OpenPath(t.Context(), shared{p.fake}, p.path, &clone.Options{NoBackground: true, Quiesce: func(context.Context, func() error) error {
		return errors.New("not me")
	}})
	if err != nil {
		t.Fatal(err)
	}
	held, let := make(chan struct{}), make(chan struct{})
	var wg sync.WaitGroup
	wg.Go(func() {
		err := c.Companions(func(bool) error {
			close(held)
			<-let
			return nil
		})
		if err != nil {
			t.Error(err)
		}
	})
	<-held
	release = sync.OnceFunc(func() {
		close(let)
		wg.Wait()
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(release)
	return release
}

// Another process that was stopped while it used a name holds up completion, and nobody else: the
// gate is shut for moments. Statements without any patience go on, connections are opened and
// closed, and when the other one is gone the clone is completed.
func TestGateIsShutForMoments(t *testing.T) {
	for _, mode := range []string{"DELETE", "WAL"} {
		t.Run(mode, func(t *testing.T) {
			t.Parallel()
			more := map[string]string{"_busy_timeout": "0"}
			impatient := &Params{More: more}
			p := newPair(t, build{rows: 500}, &Params{More: more})
			p.runOnBoth(`PRAGMA journal_mode=`+mode, `INSERT INTO log(what) VALUES('before')`)
			release := holdNames(t, p)
			run(t, p.db, `SELECT hydrant_hydrate(1)`)
			// Over several tries to complete. What does not come through ends with the guard.
			guard, stop := context.WithTimeout(t.Context(), 15*time.Second)
			defer stop()
			tries := time.Now().Add(3500 * time.Millisecond)
			for i := 0; time.Now().Before(tries); i++ {
				s := fmt.Sprintf(`INSERT INTO log(what) VALUES('%d')`, i)
				if _, err := p.db.ExecContext(guard, s); err != nil {
					t.Fatalf("%d: %v", i, err)
				}
				run(t, p.want, s)
				if i%10 == 0 {
					other := openDSN(t, DSN(p.path, "", impatient))
					get[int](t, other, `SELECT count(*) FROM log`)
					closeDB(t, other)
				}
			}
			if !fileExists(t, p.path+"-hydrant") {
				t.Error("it was completed while its names were in use")
			}
			if guard.Err() != nil {
				t.Error("somebody waited for far too long")
			}
			release()
			waitComplete(t, p.db)
			same(t, p.db, p.want)
			p.finish(t)
		})
	}
}

// A transaction that was begun before anybody wanted to complete, and does not end: completion
// waits for as long as it lasts and says so; nobody else, without any patience, is told that
// something is locked which in plain SQLite would not be; and the transaction commits.
func TestTransactionThatDoesNotEnd(t *testing.T) {
	for _, mode := range []string{"DELETE", "WAL"} {
		for _, begun := range []string{"reader", "writer"} {
			t.Run(mode+" "+begun, func(t *testing.T) {
				t.Parallel()
				impatient := &Params{More: map[string]string{"_busy_timeout": "0"}}
				p := newPair(t, build{rows: 500}, impatient)
				p.runOnBoth(`PRAGMA journal_mode=` + mode)
				other := openDSN(t, DSN(p.path, "", impatient))
				run(t, p.db, `BEGIN`, `SELECT count(*) FROM log`)
				if begun == "writer" {
					run(t, p.db, `INSERT INTO log(what) VALUES('long')`)
					run(t, p.want, `INSERT INTO log(what) VALUES('long')`)
				}
				run(t, other, `SELECT hydrant_hydrate(1)`)
				eventually(t, "all of it is local, and waits", func() bool {
					return strings.Contains(get[string](t, other, `SELECT hydrant_status()`), "waiting for a transaction")
				})
				// Over more than one try to complete.
				tries := time.Now().Add(1500 * time.Millisecond)
				for i := 0; time.Now().Before(tries); i++ {
					if got := get[int](t, other, `SELECT count(*) FROM log`); got != 0 {
						t.Fatalf("it sees %d rows that are not committed", got)
					}
					if begun == "writer" {
						s := fmt.Sprintf(`INSERT INTO log(what) VALUES('long %d')`, i)
						p.runOnBoth(s)
					}
				}
				s := get[string](t, other, `SELECT hydrant_status()`)
				if !strings.Contains(s, `"state":"hydrating"`) || get[float64](t, other, `SELECT hydrant_progress()`) >= 100 {
					t.Errorf("status is %s", s)
				}
				if begun == "reader" && mode == "DELETE" {
					// It becomes a writer, and is the first to.
					p.runOnBoth(`INSERT INTO log(what) VALUES('upgraded')`)
				}
				run(t, p.db, `COMMIT`)
				waitComplete(t, other)
				same(t, other, p.want)
				closeDB(t, other)
				p.finish(t)
			})
		}
	}
}
