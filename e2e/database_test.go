//go:build e2e

package e2e

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// databases are made by others, and come with Debian's packages qtbase5-doc and proj-data.
var databases = []string{
	"/usr/share/qt5/doc/qtcore.qch",    // full text search, blobs, mostly overflow pages
	"/usr/share/qt5/doc/qtwidgets.qch", // the same, 16 MB
	"/usr/share/proj/proj.db",          // views, triggers, a hundred schema objects
}

// forms are what a database is turned into before it is uploaded.
var forms = []struct{ name, sql string }{
	{"as it is", ""},
	{"WAL", "PRAGMA journal_mode=WAL"},
	{"pages of 512", "PRAGMA page_size=512; VACUUM"},
	{"pages of 65536", "PRAGMA page_size=65536; VACUUM"},
	{"auto_vacuum", "PRAGMA auto_vacuum=FULL; VACUUM"},
}

// TestRealDatabases takes each database through its whole life as a clone, by the commands that a
// person would type: cold, written to, complete, plain; and compares it with a copy that never was
// one, to which the same was done.
func TestRealDatabases(t *testing.T) {
	s := startServer(t)
	s.setenv(t)
	for _, path := range databases {
		for _, form := range forms {
			name := filepath.Base(path) + ", " + form.name
			t.Run(name, func(t *testing.T) { liveOnce(t, s, path, form.sql) })
		}
	}
}

const change = `CREATE TABLE hydrant_was_here(a INTEGER PRIMARY KEY, b TEXT);
INSERT INTO hydrant_was_here SELECT value, hex(value*7919) FROM
  (WITH RECURSIVE n(value) AS (SELECT 1 UNION ALL SELECT value+1 FROM n LIMIT 500) SELECT value FROM n);
DELETE FROM hydrant_was_here WHERE a % 3 = 0;`

func liveOnce(t *testing.T, s *server, from, form string) {
	dir := t.TempDir()
	origin := filepath.Join(dir, "origin.db")
	copyFile(t, origin, from)
	if form != "" {
		shell(t, origin, form)
	}
	key := strings.ReplaceAll(t.Name(), "/", "_")
	s.putFile(t, "databases", key, origin)
	db := filepath.Join(dir, "app.db")

	hydrant(t, "clone", "--no-hydrate", s.source("databases", key), db)
	refusedByShell(t, db)
	tables := "SELECT count(*), total(length(sql)) FROM sqlite_schema"
	if got, want := hydrant(t, "sql", db, tables), shell(t, origin, tables); got != want {
		t.Fatalf("cold: %s: %q, want %q", tables, got, want)
	}
	hydrant(t, "sql", db, change)
	refusedByShell(t, db)
	shell(t, origin, change)

	hydrant(t, "hydrate", db)
	if _, err := os.Stat(db + "-hydrant"); !errors.Is(err, fs.ErrNotExist) {
		t.Fatalf("the state file is still there: %v", err)
	}
	if got := shell(t, db, "PRAGMA integrity_check"); got != "ok\n" {
		t.Fatalf("integrity_check: %s", got)
	}
	if got, want := shell(t, db, ".sha3sum"), shell(t, origin, ".sha3sum"); got != want {
		t.Fatalf("content is %s, want %s", got, want)
	}
}

// TestUntouchedCloneIsTheSource: without a write the file is the object, byte for byte.
func TestUntouchedCloneIsTheSource(t *testing.T) {
	s := startServer(t)
	s.setenv(t)
	for _, path := range databases {
		s.putFile(t, "databases", filepath.Base(path), path)
		db := filepath.Join(t.TempDir(), "app.db")
		hydrant(t, "clone", "--no-hydrate", s.source("databases", filepath.Base(path)), db)
		hydrant(t, "sql", db, "SELECT count(*) FROM sqlite_schema")
		hydrant(t, "verify", db)
		hydrant(t, "clone", s.source("databases", filepath.Base(path)), db)
		got, want := readFile(t, db), readFile(t, path)
		if !bytes.Equal(got, want) {
			t.Errorf("%s: the clone has other bytes than the object", path)
		}
	}
}

// refusedByShell checks that the sqlite3 shell, which knows nothing of clones, is told so by a
// file it cannot take for a database, and leaves everything as it is.
func refusedByShell(t *testing.T, db string) {
	t.Helper()
	before := folder(t, db)
	for _, sql := range []string{"SELECT count(*) FROM sqlite_schema", "CREATE TABLE t(a)", "PRAGMA journal_mode=WAL", "VACUUM"} {
		out, err := exec.Command("sqlite3", db, sql).CombinedOutput()
		if err == nil || !strings.Contains(string(out), "file is not a database") {
			t.Fatalf("sqlite3 %q on an incomplete clone: %v, %s", sql, err, out)
		}
	}
	if after := folder(t, db); after != before {
		t.Fatalf("the shell changed something:\n%s\nwas\n%s", after, before)
	}
}

// folder lists what lies beside db, with sizes and times.
func folder(t *testing.T, db string) string {
	t.Helper()
	entries, err := os.ReadDir(filepath.Dir(db))
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	for _, e := range entries {
		info, err := e.Info()
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintln(&b, e.Name(), info.Size(), info.ModTime().UnixNano())
	}
	return b.String()
}

// hydrant runs the command and returns what it prints.
func hydrant(t *testing.T, args ...string) string {
	t.Helper()
	return output(t, filepath.Join("..", ".build", "hydrant"), args...)
}

// shell runs the sqlite3 shell.
func shell(t *testing.T, args ...string) string {
	t.Helper()
	return output(t, "sqlite3", args...)
}

func output(t *testing.T, name string, args ...string) string {
	t.Helper()
	cmd := exec.Command(name, args...)
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil {
		t.Fatalf("%s %s: %v\n%s%s", name, strings.Join(args, " "), err, stdout.String(), stderr.String())
	}
	return stdout.String()
}

func readFile(t *testing.T, path string) []byte {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func copyFile(t *testing.T, to, from string) {
	t.Helper()
	if err := os.WriteFile(to, readFile(t, from), 0o644); err != nil {
		t.Fatal(err)
	}
}
