package sqlitevfs

import (
	"context"
	"os"
	"os/exec"
	"strings"
	"testing"

	"hydrant/clone"
	"hydrant/clone/state"
)

// Somebody who knows nothing of SQLite, as the command line does, hydrates and completes a clone
// while a transaction with pages in the database and a hot journal is under way here.
func TestCompletedByOthers(t *testing.T) {
	for _, mode := range []string{"DELETE", "TRUNCATE", "PERSIST", "WAL"} {
		for _, end := range []string{"COMMIT", "ROLLBACK"} {
			t.Run(mode+" "+end, func(t *testing.T) {
				t.Parallel()
				p := newPair(t, build{rows: 5000}, nil)
				p.runOnBoth(`PRAGMA journal_mode=`+mode, `PRAGMA cache_size=5`, `INSERT INTO log(what) VALUES ('one')`,
					`BEGIN IMMEDIATE`, `UPDATE t SET b = 'two' WHERE id % 3 = 0`)
				completeAside(t, p)
				if front := readFront(t, p.path); front != "SQLite format 3\x00" {
					t.Errorf("it is complete, and begins %q", front)
				}
				p.runOnBoth(`UPDATE t SET b = 'three' WHERE id % 5 = 0`, end)
				same(t, p.db, p.want)
				p.runOnBoth(`INSERT INTO log(what) VALUES ('four')`)
				closeDB(t, p.db)
				os.Remove(p.path + "-journal")
				wantGone(t, p.path)
				p.db = openPlain(t, p.path)
				same(t, p.db, p.want)
			})
		}
	}
}

// completeAside hydrates all of p and takes the guard down.
func completeAside(t *testing.T, p *pair) {
	t.Helper()
	on := true
	c, err := clone.OpenPath(t.Context(), shared{p.fake}, p.path, &clone.Options{Knobs: clone.Knobs{Hydration: &on}})
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithTimeout(t.Context(), 20*1e9)
	defer stop()
	if err := c.Wait(ctx); err != nil {
		t.Fatal(err)
	}
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
}

func readFront(t *testing.T, path string) string {
	t.Helper()
	out, err := exec.Command("head", "-c", "16", path).Output() // not here: closing it would drop SQLite's locks
	if err != nil {
		t.Fatal(err)
	}
	return string(out)
}

// A transaction here keeps our own hydrator from completing the clone, and its end lets it.
func TestTransactionHoldsCompletion(t *testing.T) {
	for _, mode := range []string{"DELETE", "WAL"} {
		t.Run(mode, func(t *testing.T) {
			t.Parallel()
			p := newPair(t, build{rows: 1000}, nil)
			p.db.SetMaxOpenConns(2)
			p.runOnBoth(`PRAGMA journal_mode=` + mode)
			tx, err := p.db.Begin()
			if err != nil {
				t.Fatal(err)
			}
			if _, err := tx.Exec(`SELECT sum(length(b)) FROM t`); err != nil {
				t.Fatal(err)
			}
			if mode == "WAL" {
				run(t, p.db, `UPDATE t SET a = 1 WHERE id = 1`) // what the reader must not see keeps the WAL
				run(t, p.want, `UPDATE t SET a = 1 WHERE id = 1`)
			}
			run(t, p.db, `SELECT hydrant_hydrate(1)`)
			eventually(t, "all of it is local, and waits", func() bool {
				s := get[string](t, p.db, `SELECT hydrant_status()`)
				return strings.Contains(s, "waiting for a transaction")
			})
			if front := readFront(t, p.path); !strings.HasPrefix(front, state.GuardMagic) {
				t.Errorf("completed inside of a transaction: %q", front)
			}
			if got := get[float64](t, p.db, `SELECT hydrant_progress()`); got >= 100 {
				t.Errorf("progress is %v", got)
			}
			if err := tx.Rollback(); err != nil {
				t.Fatal(err)
			}
			p.finish(t)
		})
	}
}
