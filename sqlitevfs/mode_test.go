package sqlitevfs

import (
	"strings"
	"testing"

	"hydrant/clone"
	"hydrant/clone/state"
)

// setMode puts a clone into a mode, as another process of it would that had an fsync fail.
func setMode(t *testing.T, p *pair, mode state.Mode) {
	t.Helper()
	c, err := clone.OpenPath(t.Context(), shared{p.fake}, p.path, &clone.Options{NoBackground: true})
	if err != nil {
		t.Fatal(err)
	}
	c.View().Header.Mode.Store(uint64(mode))
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
}

// A clone that is read-only after a failed sync: no transaction begins that could not be rolled
// back, and reads go on, local and cold. In WAL mode the WAL, which is not ours, takes more.
func TestReadOnlyMode(t *testing.T) {
	for _, journal := range []string{"DELETE", "WAL"} {
		t.Run(journal, func(t *testing.T) {
			t.Parallel()
			p := newPair(t, build{rows: 3000}, nil)
			p.runOnBoth(`PRAGMA journal_mode=`+journal, `INSERT INTO log(what) VALUES ('rw')`)
			if journal == "WAL" {
				run(t, p.db, `PRAGMA wal_checkpoint(TRUNCATE)`)
			}
			setMode(t, p, state.ReadOnly)
			_, err := p.db.Exec(`INSERT INTO log(what) VALUES ('ro')`)
			says := "readonly database"
			if journal == "WAL" {
				_, err = p.db.Exec(`PRAGMA wal_checkpoint(TRUNCATE)`)
				says = "disk I/O error"
			}
			if err == nil || !strings.Contains(err.Error(), says) {
				t.Fatalf("write: %v", err)
			}
			if got := get[string](t, p.db, `SELECT hydrant_last_error()`); !strings.Contains(got, "copy out what can be read") {
				t.Errorf("got %q", got)
			}
			if journal == "WAL" {
				run(t, p.want, `INSERT INTO log(what) VALUES ('ro')`)
			}
			same(t, p.db, p.want)
		})
	}
}

// A clone that has failed serves nothing, local or not.
func TestFailedMode(t *testing.T) {
	p := newPair(t, build{rows: 3000}, nil)
	setMode(t, p, state.Failed)
	if _, err := p.db.Exec(`SELECT count(*) FROM log`); err == nil || !strings.Contains(err.Error(), "disk I/O error") {
		t.Errorf("got %v", err)
	}
	if got := get[string](t, p.db, `SELECT hydrant_last_error()`); !strings.Contains(got, "open it again") {
		t.Errorf("got %q", got)
	}
}
