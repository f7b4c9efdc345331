package sqlitevfs

import (
	"os"
	"path/filepath"
	"testing"
)

// Each journal mode, reading and writing: while nothing is there, while it comes, when it is
// complete, and after it has been detached. A plain copy goes through the same statements.
func TestJournalModes(t *testing.T) {
	for _, mode := range []string{"DELETE", "TRUNCATE", "PERSIST", "MEMORY", "WAL"} {
		t.Run(mode, func(t *testing.T) {
			t.Parallel()
			dir := tempDir(t)
			src, path, oracle := filepath.Join(dir, "src.db"), filepath.Join(dir, "app.db"), filepath.Join(dir, "oracle.db")
			makeSource(t, src, build{rows: 3000})
			copyFile(t, src, oracle)
			_, address := newFake(t, src)
			db := openDSN(t, DSN(path, address, &Params{NoHydrate: true}))
			want := openPlain(t, oracle)
			both := func(stmts ...string) {
				t.Helper()
				run(t, db, stmts...)
				run(t, want, stmts...)
			}
			if got := get[string](t, db, `PRAGMA journal_mode=`+mode); got == "" {
				t.Fatal("no journal mode")
			}
			both(`PRAGMA synchronous=FULL`, `INSERT INTO log(what) VALUES ('cold')`)
			both(`UPDATE t SET b = b || '!' WHERE id % 100 = 0`)
			same(t, db, want)
			both(`DELETE FROM t WHERE id BETWEEN 500 AND 900`, fill(5001, 500))
			waitComplete(t, db)
			both(`INSERT INTO log(what) VALUES ('complete')`, `UPDATE t SET a = a+1 WHERE id % 7 = 0`)
			same(t, db, want)
			closeDB(t, db)
			// What these two modes leave behind is by its public name.
			if got, want := fileExists(t, path+"-journal"), mode == "PERSIST" || mode == "TRUNCATE"; got != want {
				t.Errorf("a journal is there: %v, want %v", got, want)
			}
			os.Remove(path + "-journal")
			wantGone(t, path)
			db = openPlain(t, path)
			both(`INSERT INTO log(what) VALUES ('detached')`)
			same(t, db, want)
		})
	}
}
