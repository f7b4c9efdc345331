package sqlitevfs

import (
	"database/sql"
	"path/filepath"
	"testing"
)

// What a hydrated database costs beside the unix VFS: nothing, is the claim.
func BenchmarkHydrated(b *testing.B) {
	dir := b.TempDir()
	src := filepath.Join(dir, "src.db")
	open := func(dsn string) *sql.DB {
		db, err := sql.Open("sqlite3", dsn)
		if err != nil {
			b.Fatal(err)
		}
		b.Cleanup(func() { db.Close() })
		db.SetMaxOpenConns(1)
		for _, s := range []string{`PRAGMA cache_size=16`} {
			if _, err := db.Exec(s); err != nil {
				b.Fatal(err)
			}
		}
		return db
	}
	unix := open(DSN(src, "", &Params{VFS: "unix"}))
	for _, s := range []string{schema, fill(1, 100000)} {
		if _, err := unix.Exec(s); err != nil {
			b.Fatal(err)
		}
	}
	off := &Params{NoHydrate: true}
	// All of it is there, and its guard still stands: a reader keeps it from being completed.
	local := open(DSN(filepath.Join(dir, "local.db"), src, off))
	tx, err := local.Begin()
	if err == nil {
		_, err = tx.Exec(`SELECT sum(length(c)), count(*) FROM t`)
	}
	if err != nil {
		b.Fatal(err)
	}
	defer tx.Rollback()
	complete := open(DSN(filepath.Join(dir, "complete.db"), src, nil))
	if _, err := complete.Exec(`SELECT hydrant_wait(60)`); err != nil {
		b.Fatal(err)
	}
	type querier interface {
		QueryRow(string, ...any) *sql.Row
	}
	for _, db := range []struct {
		name string
		q    querier
	}{{"unix", unix}, {"complete", complete}, {"local", tx}} {
		b.Run("scan/"+db.name, func(b *testing.B) {
			var n int
			for b.Loop() {
				if err := db.q.QueryRow(`SELECT sum(length(c)) FROM t`).Scan(&n); err != nil {
					b.Fatal(err)
				}
			}
		})
		b.Run("point/"+db.name, func(b *testing.B) {
			var s string
			for i := 0; b.Loop(); i++ {
				if err := db.q.QueryRow(`SELECT b FROM t WHERE id = ?`, 1+i*7919%100000).Scan(&s); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
