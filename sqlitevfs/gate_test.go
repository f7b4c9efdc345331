package sqlitevfs

import (
	"fmt"
	"path/filepath"
	"testing"
	"time"
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
