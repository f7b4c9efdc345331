//go:build e2e && linux

package e2e

import (
	"crypto/sha256"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
)

// committed is the transaction that the child called crash has committed.
const committed = `INSERT INTO log(what) VALUES ('committed')`

// shop makes a database of six megabytes, once.
var shop = sync.OnceValues(func() (string, error) {
	dir, err := os.MkdirTemp("", "hydrant-e2e-")
	if err != nil {
		return "", err
	}
	path := filepath.Join(dir, "shop.db")
	_, err = exec.Command("sqlite3", path, `
		CREATE TABLE t(id INTEGER PRIMARY KEY, a INT, b TEXT, c BLOB);
		CREATE INDEX ta ON t(a);
		CREATE TABLE log(n INTEGER PRIMARY KEY, what TEXT);
		WITH RECURSIVE s(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM s WHERE i < 15000)
		INSERT INTO t SELECT i, i*7919%1000, printf('row %d', i*31%997), zeroblob(i%5*100+i%17*i%300) FROM s`).Output()
	return path, err
})

// situation is a clone at some moment of its life, with nobody alive who has it open.
type situation struct {
	dir    string // nothing but the clone's files is in it
	db     string
	source string
	oracle string // a plain database with what the clone has to end with

	completing bool // the next to open it completes it
}

// moments are when something may happen to a clone. Those of a killed writer have a hot journal or
// a WAL with more than was committed.
var moments = []struct {
	name string
	do   func(t *testing.T, s *situation)
}{
	{"fresh", func(t *testing.T, s *situation) {}},
	{"half", func(t *testing.T, s *situation) { halfHydrated(t, s.db) }},
	{"hot journal", func(t *testing.T, s *situation) { killedWriter(t, s, "DELETE") }},
	{"WAL", func(t *testing.T, s *situation) { halfHydrated(t, s.db); killedWriter(t, s, "WAL") }},
	{"completing with hot journal", func(t *testing.T, s *situation) {
		killedWriter(t, s, "DELETE")
		killed(t, "completing", s.db)
		s.completing = true
	}},
	{"completing with WAL", func(t *testing.T, s *situation) {
		killedWriter(t, s, "WAL")
		killed(t, "completing", s.db)
		s.completing = true
	}},
}

func killedWriter(t *testing.T, s *situation, mode string) {
	t.Helper()
	killed(t, "crash", mode, s.db)
	side := s.db + "-hydrant-" + map[string]string{"DELETE": "journal", "WAL": "wal"}[mode]
	if st, err := os.Stat(side); err != nil || st.Size() < 10000 {
		t.Fatalf("%s: %v, %v: nothing to recover from", side, st, err)
	}
	shell(t, s.oracle, committed)
}

// newSituation makes a clone, and takes it to a moment.
func newSituation(t *testing.T, do func(t *testing.T, s *situation)) *situation {
	t.Helper()
	return newSituationIn(t, "", do)
}

// newSituationIn makes it in a folder within dir, "": one that is only this test's.
func newSituationIn(t *testing.T, dir string, do func(t *testing.T, s *situation)) *situation {
	t.Helper()
	base := t.TempDir()
	if dir != "" {
		var err error
		if base, err = os.MkdirTemp(dir, "clone-"); err != nil {
			t.Fatal(err)
		}
		if err = os.Chmod(base, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	s := &situation{dir: filepath.Join(base, "app"), source: filepath.Join(base, "source.db"), oracle: filepath.Join(base, "oracle.db")}
	s.db = filepath.Join(s.dir, "app.db")
	if err := os.Mkdir(s.dir, 0o755); err != nil {
		t.Fatal(err)
	}
	from, err := shop()
	if err != nil {
		t.Fatal(err)
	}
	copyFile(t, s.source, from)
	copyFile(t, s.oracle, from)
	hydrant(t, "clone", "--no-hydrate", s.source, s.db)
	do(t, s)
	return s
}

// atEachMoment runs f, in parallel, on a clone at each of the moments.
func atEachMoment(t *testing.T, f func(t *testing.T, s *situation)) {
	t.Helper()
	for _, m := range moments {
		t.Run(m.name, func(t *testing.T) {
			t.Parallel()
			f(t, newSituation(t, m.do))
		})
	}
}

// goesOn checks that the clone is none the worse for anything: it is the source where nothing was
// written, it completes, and then it is what it has to be and nothing of ours is left beside it.
func (s *situation) goesOn(t *testing.T) {
	t.Helper()
	if _, err := os.Stat(s.db + "-hydrant"); err == nil && !s.completing {
		hydrant(t, "verify", s.db)
	}
	if got := hydrant(t, "sql", s.db, "PRAGMA integrity_check"); got != "ok\n" {
		t.Fatalf("cold: integrity_check: %s", got)
	}
	hydrant(t, "hydrate", s.db)
	s.ended(t)
}

// ended checks the end of goesOn alone.
func (s *situation) ended(t *testing.T) {
	t.Helper()
	if got := shell(t, s.db, "PRAGMA integrity_check"); got != "ok\n" {
		t.Fatalf("integrity_check: %s", got)
	}
	if got, want := shell(t, s.db, ".sha3sum"), shell(t, s.oracle, ".sha3sum"); got != want {
		t.Fatalf("content is %s, want %s\nlog: %s", got, want, shell(t, s.db, "SELECT * FROM log"))
	}
	if left, err := filepath.Glob(s.db + "-hydrant*"); err != nil || len(left) > 0 {
		t.Fatalf("%v is left, %v", left, err)
	}
}

// refused checks that each verb says no in one line with all of words in it, and changes nothing.
func (s *situation) refused(t *testing.T, words ...string) {
	t.Helper()
	s.refusedBut(t, nil, words...)
}

// refusedBut is refused without those verbs that have another answer.
func (s *situation) refusedBut(t *testing.T, but []string, words ...string) {
	t.Helper()
	before := prints(t, s.dir)
	for _, args := range [][]string{
		{"status", s.db}, {"sql", s.db, "SELECT count(*) FROM t"}, {"sql", s.db, committed}, {"hydrate", s.db},
		{"clone", s.source, s.db}, {"clone", "--if-not-exists", s.source, s.db}, {"sql", s.db, "PRAGMA integrity_check"},
		{"verify", s.db}, {"detach", s.db},
	} {
		if slices.Contains(but, args[0]) {
			continue
		}
		out, err := run(args...)
		if err == nil {
			t.Errorf("hydrant %s is not refused: %s", strings.Join(args, " "), out)
			continue
		}
		if strings.Count(out, "\n") != 1 {
			t.Errorf("hydrant %s says more than a line:\n%s", strings.Join(args, " "), out)
		}
		for _, w := range words {
			if !strings.Contains(out, w) {
				t.Errorf("hydrant %s does not say %q: %s", strings.Join(args, " "), w, out)
			}
		}
		t.Logf("%s", out)
	}
	if after := prints(t, s.dir); after != before {
		t.Errorf("changed from\n%sto\n%s", before, after)
	}
}

// prints are names and contents of the files in a folder.
func prints(t *testing.T, dir string) string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	for _, e := range entries {
		what := "a folder"
		if !e.IsDir() {
			what = digest(t, filepath.Join(dir, e.Name()))
		}
		fmt.Fprintf(&b, "%s %s\n", e.Name(), what)
	}
	return b.String()
}

func digest(t *testing.T, path string) string {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	h := sha256.New()
	if _, err := io.Copy(h, f); err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf("%x", h.Sum(nil)[:8])
}
