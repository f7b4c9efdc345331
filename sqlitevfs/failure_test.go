package sqlitevfs

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"hydrant/source"
	"hydrant/source/sourcetest"
)

var errBroken = errors.New("the source is broken (on purpose)")

// A cold page that cannot be had in the middle of a statement which touches several trees: whatever
// the application does next, COMMIT or ROLLBACK, nothing half done is left. (A VFS that answers
// BUSY here loses rows of an index.)
func TestColdReadFailsInTransaction(t *testing.T) {
	for _, mode := range []string{"DELETE", "WAL"} {
		for _, end := range []string{"COMMIT", "ROLLBACK"} {
			t.Run(mode+" "+end, func(t *testing.T) {
				t.Parallel()
				p := newPair(t, build{rows: 20000}, nil)
				run(t, p.db, `PRAGMA journal_mode=`+mode, `PRAGMA cache_size=10`)
				p.runOnBoth(`INSERT INTO log(what) VALUES ('before')`)
				before := p.fake.Delivered()
				run(t, p.db, `BEGIN`, `INSERT INTO log(what) VALUES ('inside')`)
				p.fake.Plan(sourcetest.Always(sourcetest.Fault{Err: source.WithKind(errBroken, source.Final)}))
				failed := 0
				for i := range 50 {
					if _, err := p.db.Exec(fill(300000-i*1000, 1)); err != nil {
						failed++
						if s := err.Error(); !strings.Contains(s, "disk I/O error") && !strings.Contains(s, "no transaction") {
							t.Errorf("insert: %v", err)
						}
					}
					if _, err := p.db.Exec(`UPDATE t SET a = a + 1, b = 'x' WHERE id = ?`, 1+i*377); err != nil {
						failed++
					}
				}
				if failed == 0 || p.fake.Delivered() < before {
					t.Fatal("nothing failed")
				}
				p.db.Exec(end) // fails when SQLite has rolled back already, which is its right
				p.fake.Plan(nil)
				eventually(t, "the source is probed", func() bool {
					_, err := p.db.Exec(`SELECT sum(length(c)), sum(a) FROM t`)
					return err == nil
				})
				if got := get[string](t, p.db, `PRAGMA integrity_check`); got != "ok" {
					t.Error(got)
				}
				if end == "ROLLBACK" {
					same(t, p.db, p.want)
				}
			})
		}
	}
}

// The words of a cold read's failure.
func TestStalled(t *testing.T) {
	p := newPair(t, build{rows: 3000}, nil)
	p.fake.Replace([]byte("something else"))
	_, err := p.db.Exec(`SELECT sum(length(c)) FROM t`)
	if err == nil || !strings.Contains(err.Error(), "disk I/O error") {
		t.Errorf("got %v", err)
	}
	for _, q := range []string{`SELECT hydrant_last_error()`, `PRAGMA hydrant_last_error`, `SELECT json_extract(hydrant_status(), '$.error')`} {
		if got := get[string](t, p.db, q); !strings.Contains(got, "source has changed") {
			t.Errorf("%s: %q", q, got)
		}
	}
	if got := get[string](t, p.db, `SELECT json_extract(hydrant_status(), '$.state')`); got != "stalled" {
		t.Errorf("state is %s", got)
	}
	var n int
	if err := p.db.QueryRow(`SELECT hydrant_wait()`).Scan(&n); err == nil || !strings.Contains(err.Error(), "stalled") {
		t.Errorf("wait: %v", err)
	}
	// What is local goes on.
	run(t, p.db, `INSERT INTO log(what) VALUES ('still')`)
}

// A source that says nothing: ctx ends a statement soon, and the connection is good for more.
func TestCancel(t *testing.T) {
	p := newPair(t, build{rows: 3000}, nil)
	gate := make(chan struct{})
	p.fake.Plan(sourcetest.Always(sourcetest.Fault{Gate: gate}))
	for _, s := range []string{`SELECT sum(length(c)) FROM t`, `UPDATE t SET b = 'x' WHERE id = 2500`} {
		ctx, stop := context.WithTimeout(t.Context(), 50*time.Millisecond)
		begin := time.Now()
		_, err := p.db.ExecContext(ctx, s)
		stop()
		if took := time.Since(begin); took > 3*time.Second || err == nil || !errors.Is(err, context.DeadlineExceeded) && !strings.Contains(err.Error(), "interrupt") {
			t.Errorf("%s: %v after %v", s, err, took)
		}
	}
	ctx, stop := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer stop()
	run(t, p.db, `SELECT hydrant_hydrate(1)`)
	if _, err := p.db.ExecContext(ctx, `SELECT hydrant_wait()`); err == nil {
		t.Error("wait was not cancelled")
	}
	close(gate)
	same(t, p.db, p.want)
	p.finish(t)
}

// Without ctx there is the timeout.
func TestTimeout(t *testing.T) {
	p := newPair(t, build{rows: 3000}, &Params{Timeout: time.Second}) // of opening, too
	p.fake.Plan(sourcetest.Always(sourcetest.Fault{Stall: true}))
	_, err := p.db.Exec(`SELECT sum(length(c)) FROM t`)
	if err == nil || !strings.Contains(err.Error(), "disk I/O error") {
		t.Errorf("got %v", err)
	}
	if got := get[string](t, p.db, `SELECT hydrant_last_error()`); !strings.Contains(got, "in time") {
		t.Errorf("got %q", got)
	}
	p.fake.Plan(nil)
	eventually(t, "it answers again", func() bool {
		_, err := p.db.Exec(`SELECT sum(length(c)) FROM t`)
		return err == nil
	})
}

// ROLLBACK, savepoints, and transactions larger than the cache, over pages that are not there.
func TestRollback(t *testing.T) {
	for _, mode := range []string{"DELETE", "WAL"} {
		t.Run(mode, func(t *testing.T) {
			t.Parallel()
			p := newPair(t, build{rows: 3000}, nil)
			p.runOnBoth(`PRAGMA journal_mode=`+mode, `PRAGMA cache_size=5`,
				`BEGIN`, `UPDATE t SET b = 'gone', a = -a`, `DELETE FROM t WHERE id % 2`, `ROLLBACK`)
			same(t, p.db, p.want)
			p.runOnBoth(`BEGIN`, `UPDATE t SET b = 'one' WHERE id < 1000`,
				`SAVEPOINT s`, `DELETE FROM t WHERE id > 1500`, fill(50001, 800), `ROLLBACK TO s`,
				`UPDATE t SET b = 'two' WHERE id > 2500`, `RELEASE s`, `COMMIT`)
			same(t, p.db, p.want)
			p.finish(t)
		})
	}
}
