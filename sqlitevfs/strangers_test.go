package sqlitevfs

import (
	"crypto/sha256"
	"database/sql"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// crash is the child that leaves a clone in the middle of a transaction: with pages spilled into
// the database, and the journal or WAL that undoes them beside it.
//
//	crash JOURNALMODE PATH
func crash(mode, path string) {
	registerTest()
	db, err := sql.Open("sqlite3", DSN(path, "", nil))
	check(err)
	db.SetMaxOpenConns(1)
	for _, s := range []string{
		`PRAGMA journal_mode=` + mode, `PRAGMA synchronous=FULL`, `PRAGMA cache_size=5`,
		`INSERT INTO log(what) VALUES ('committed')`,
		`BEGIN`, `UPDATE t SET b = 'gone', a = -id`, fill(200001, 2000),
	} {
		_, err := db.Exec(s)
		check(err)
	}
	kill()
}

// runChild runs the test binary as another process, which kills itself.
func runChild(t *testing.T, args ...string) {
	t.Helper()
	cmd := exec.Command(os.Args[0], append([]string{childPrefix + args[0]}, args[1:]...)...)
	out, err := cmd.CombinedOutput()
	if err == nil || !strings.Contains(err.Error(), "killed") {
		t.Fatalf("%v: %s", err, out)
	}
}

// fingerprint is the content of every file beside path, -shm excepted: looking changes that.
func fingerprint(t *testing.T, path string) string {
	t.Helper()
	names, err := filepath.Glob(path + "*")
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	for _, name := range names {
		if strings.HasSuffix(name, "-shm") {
			continue
		}
		f, err := os.Open(name)
		if err != nil {
			t.Fatal(err)
		}
		h := sha256.New()
		if _, err := io.Copy(h, f); err != nil {
			t.Fatal(err)
		}
		f.Close()
		fmt.Fprintf(&b, "%s %x\n", filepath.Base(name), h.Sum(nil)[:8])
	}
	return b.String()
}

// After a crash in the middle of a transaction, whoever does not know of clones is told that it is
// not a database, and changes nothing; and whoever does finds what was committed.
func TestStranger(t *testing.T) {
	for _, mode := range []string{"DELETE", "WAL"} {
		t.Run(mode, func(t *testing.T) {
			t.Parallel()
			dir := tempDir(t)
			src, oracle, path := filepath.Join(dir, "src.db"), filepath.Join(dir, "oracle.db"), filepath.Join(dir, "app.db")
			makeSource(t, src, build{rows: 3000})
			copyFile(t, src, oracle)
			closeDB(t, openDSN(t, DSN(path, src, &Params{NoHydrate: true})))
			runChild(t, "crash", mode, path)
			side := path + "-hydrant-" + map[string]string{"DELETE": "journal", "WAL": "wal"}[mode]
			if st, err := os.Stat(side); err != nil || st.Size() < 10000 {
				t.Fatalf("%s: %v, %v: nothing to recover from", side, st, err)
			}
			before := fingerprint(t, path)
			stranger := openPlainLazily(t, path)
			for _, s := range []string{`SELECT count(*) FROM t`, `INSERT INTO log(what) VALUES ('x')`, `PRAGMA journal_mode=WAL`, `VACUUM`, `PRAGMA wal_checkpoint`} {
				if _, err := stranger.Exec(s); err == nil || !strings.Contains(err.Error(), "not a database") {
					t.Errorf("%s: %v", s, err)
				}
			}
			if out, err := exec.Command("sqlite3", path, `SELECT 1 FROM t`).CombinedOutput(); err == nil && len(out) > 0 {
				t.Errorf("the shell says %s", out)
			}
			closeDB(t, stranger)
			if after := fingerprint(t, path); after != before {
				t.Errorf("changed from\n%sto\n%s", before, after)
			}
			db, want := openDSN(t, DSN(path, "", nil)), openPlain(t, oracle)
			run(t, want, `INSERT INTO log(what) VALUES ('committed')`)
			same(t, db, want)
			waitComplete(t, db)
			closeDB(t, db)
			same(t, openPlain(t, path), want)
		})
	}
}

// openPlainLazily is openPlain of what is not a database.
func openPlainLazily(t *testing.T, path string) *sql.DB {
	t.Helper()
	db, err := sql.Open("sqlite3", DSN(path, "", &Params{VFS: "unix"}))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { db.Close() })
	return db
}

// A crash between two transactions at any of these points leaves a clone that goes on.
func TestKilledBetween(t *testing.T) {
	dir := tempDir(t)
	src, path := filepath.Join(dir, "src.db"), filepath.Join(dir, "app.db")
	makeSource(t, src, build{rows: 500})
	closeDB(t, openDSN(t, DSN(path, src, &Params{NoHydrate: true})))
	for i := range 5 {
		runChild(t, "crash", []string{"DELETE", "WAL"}[i%2], path)
	}
	db := openDSN(t, DSN(path, "", nil))
	if got := get[int](t, db, `SELECT count(*) FROM log WHERE what = 'committed'`); got != 5 {
		t.Errorf("%d of 5 transactions", got)
	}
	if got := get[string](t, db, `PRAGMA integrity_check`); got != "ok" {
		t.Error(got)
	}
}
