package sqlitevfs

import (
	"errors"
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
	if err := c.Close(); !errors.Is(err, clone.ErrReadOnly) && !errors.Is(err, clone.ErrFailed) {
		t.Fatalf("close: %v, want to be told of the mode", err)
	}
}

// A clone that is read-only after a failed sync: no transaction begins that could not be rolled
// back, into whatever file, and reads go on, local and cold, also of who opens it only then.
func TestReadOnlyMode(t *testing.T) {
	for _, journal := range []string{"DELETE", "WAL"} {
		t.Run(journal, func(t *testing.T) {
			t.Parallel()
			p := newPair(t, build{rows: 3000}, nil)
			p.runOnBoth(`PRAGMA journal_mode=`+journal, `INSERT INTO log(what) VALUES ('rw')`)
			reader := openDSN(t, DSN(p.path, "", nil))
			get[int](t, reader, `SELECT count(*) FROM log`)
			setMode(t, p, state.ReadOnly)
			for _, s := range []string{`INSERT INTO log(what) VALUES ('ro')`, `BEGIN IMMEDIATE`, `PRAGMA user_version=5`, `VACUUM`} {
				if _, err := p.db.Exec(s); err == nil || !strings.Contains(err.Error(), "readonly database") {
					t.Errorf("%s: %v", s, err)
				}
				if got := get[string](t, p.db, `SELECT hydrant_last_error()`); !strings.Contains(got, "hydrant recover "+p.path) {
					t.Errorf("%s: last error %q", s, got)
				}
			}
			if journal == "WAL" {
				if _, err := p.db.Exec(`PRAGMA wal_checkpoint(TRUNCATE)`); err == nil {
					t.Error("a checkpoint succeeded")
				}
			}
			same(t, reader, p.want)
			same(t, p.db, p.want)
			closeDB(t, reader)
			closeDB(t, p.db)
			p.db = openDSN(t, DSN(p.path, p.address, &Params{NoHydrate: true}))
			same(t, p.db, p.want)
			if _, err := p.db.Exec(`INSERT INTO log(what) VALUES ('ro')`); err == nil || !strings.Contains(err.Error(), "readonly database") {
				t.Errorf("reopened: %v", err)
			}
			closeDB(t, p.db)
			if _, err := clone.RecoverPath(p.path); err != nil {
				t.Fatal(err)
			}
			p.db = openDSN(t, DSN(p.path, p.address, &Params{NoHydrate: true}))
			same(t, p.db, p.want)
			p.runOnBoth(`INSERT INTO log(what) VALUES ('again')`)
			p.finish(t)
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
	if got := get[string](t, p.db, `SELECT hydrant_last_error()`); !strings.Contains(got, "hydrant recover ") {
		t.Errorf("got %q", got)
	}
}

// What is written to pages that are here already is marked, though C writes it: otherwise a power loss
// before their hydration is durable would bring back the source's.
func TestPagesAreMarked(t *testing.T) {
	for _, mode := range []string{"DELETE", "WAL"} {
		p := newPair(t, build{rows: 12_000}, nil) // too large to come whole, so that it is not completed
		run(t, p.db, `PRAGMA journal_mode=`+mode)
		written := func() int { return get[int](t, p.db, `SELECT json_extract(hydrant_status(), '$.regions_written')`) }
		before := written()
		p.runOnBoth(`UPDATE t SET c = c || 'x' WHERE rowid < 2000 AND rowid % 50 = 0`)
		run(t, p.db, `PRAGMA wal_checkpoint(TRUNCATE)`)
		if after := written(); after < before+10 {
			t.Errorf("%s: %d regions are written, and before it were %d", mode, after, before)
		}
		if state := get[string](t, p.db, `SELECT json_extract(hydrant_status(), '$.state')`); state != "paused" {
			t.Errorf("%s: it is %s", mode, state)
		}
		same(t, p.db, p.want)
	}
}
