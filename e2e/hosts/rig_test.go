//go:build e2e && linux

package hosts

import (
	"bytes"
	"database/sql"
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"hydrant/internal/s3test"
	"hydrant/internal/shopdb"
)

// rig is a database in S3, a place for a clone of it, and a copy that the same is done to without
// hydrant.
type rig struct {
	server *s3test.Server
	source string // of the database, as hydrant names it
	dir    string
	path   string // of the clone
	want   *sql.DB
	size   int64
}

func newRig(t *testing.T, size int64) *rig {
	t.Helper()
	r := &rig{dir: t.TempDir()}
	r.server = s3test.Start(t, s3test.Options{Network: s3test.Network{Latency: s3test.Fixed(5 * time.Millisecond)}})
	for key, value := range r.server.Env() {
		t.Setenv(key, value)
	}
	r.server.CreateBucket("bucket")
	origin := filepath.Join(t.TempDir(), "origin.db")
	if err := shopdb.Create(t.Context(), origin, shopdb.Options{Size: size}); err != nil {
		t.Fatal(err)
	}
	content, err := os.ReadFile(origin)
	if err != nil {
		t.Fatal(err)
	}
	r.size = int64(len(content))
	r.server.Put("bucket", "app.db", content)
	r.source = r.server.Source("bucket", "app.db")
	r.path = filepath.Join(r.dir, "app.db")
	r.want = plain(t, origin)
	return r
}

// plain opens a database without hydrant.
func plain(t *testing.T, path string) *sql.DB {
	t.Helper()
	db, err := shopdb.OpenPlain(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	return db
}

// both runs a statement in a host and on the copy without hydrant.
func (r *rig) both(t *testing.T, p *process, stmt string) {
	t.Helper()
	p.run(t, stmt)
	if _, err := r.want.ExecContext(t.Context(), stmt); err != nil {
		t.Fatal(err)
	}
}

// answer is what the copy says.
func (r *rig) answer(t *testing.T, query string) string {
	t.Helper()
	var s string
	if err := r.want.QueryRowContext(t.Context(), query).Scan(&s); err != nil {
		t.Fatalf("%s: %v", query, err)
	}
	return s
}

// same asks a host and the copy.
func (r *rig) same(t *testing.T, p *process, query string) {
	t.Helper()
	if got, want := p.run(t, query), r.answer(t, query); got != want {
		t.Errorf("%s: %s\n%s, want %s", p.name, query, got, want)
	}
}

// finished checks that the clone is a plain file with the copy's content, and nothing else is there.
func (r *rig) finished(t *testing.T) {
	t.Helper()
	names, err := filepath.Glob(r.path + "*")
	if err != nil || len(names) != 1 {
		t.Errorf("left in the folder: %v, %v", names, err)
	}
	db := plain(t, r.path)
	var ok string
	if err := db.QueryRowContext(t.Context(), "PRAGMA integrity_check").Scan(&ok); err != nil || ok != "ok" {
		t.Errorf("integrity_check: %s, %v", ok, err)
	}
	got, err := shopdb.Hash(t.Context(), db)
	want, werr := shopdb.Hash(t.Context(), r.want)
	if err := errors.Join(err, werr); err != nil {
		t.Fatal(err)
	}
	if got != want {
		t.Error("the rows differ from those of the copy without hydrant")
	}
}

// project is the root of the tree.
func project(t testing.TB) string {
	t.Helper()
	dir, err := filepath.Abs(filepath.Join("..", ".."))
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

// extension is the library as hosts load it.
func extension(t testing.TB) string {
	t.Helper()
	path := filepath.Join(project(t), "dist", "hydrant.so")
	if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
		t.Fatal("no dist/hydrant.so: run `make extension`")
	} else if err != nil {
		t.Fatal(err)
	}
	return path
}

// python is one whose sqlite3 can load extensions; that is a choice of whoever built it.
var python = sync.OnceValues(func() (string, error) {
	for _, name := range []string{"python3", "/usr/bin/python3", "/usr/local/bin/python3"} {
		const ask = "import sqlite3; sqlite3.connect(':memory:').enable_load_extension(True)"
		if exec.Command(name, "-c", ask).Run() == nil {
			return name, nil
		}
	}
	return "", errors.New("no python3 whose sqlite3 has enable_load_extension: Debian's python3 has it")
})

func pythonPath(t *testing.T) string {
	t.Helper()
	path, err := python()
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// pythonRun runs a program and returns what it printed. It must print nothing on standard error.
func pythonRun(t *testing.T, program string, args ...string) string {
	t.Helper()
	out, stderr := pythonBoth(t, program, args...)
	if stderr != "" {
		t.Errorf("it says on standard error:\n%s", stderr)
	}
	return out
}

func pythonBoth(t *testing.T, program string, args ...string) (out, stderr string) {
	t.Helper()
	return pythonWith(t, append([]string{"-c", program}, args...)...)
}

// pythonFile runs a program from its file.
func pythonFile(t *testing.T, path string, args ...string) string {
	t.Helper()
	out, stderr := pythonWith(t, append([]string{path}, args...)...)
	if stderr != "" {
		t.Errorf("it says on standard error:\n%s", stderr)
	}
	return out
}

func pythonWith(t *testing.T, args ...string) (out, stderr string) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), pythonPath(t), args...)
	var o, e bytes.Buffer
	cmd.Stdout, cmd.Stderr = &o, &e
	if err := cmd.Run(); err != nil {
		t.Fatalf("%v\n%s%s", err, o.String(), e.String())
	}
	return strings.TrimSpace(o.String()), strings.TrimSpace(e.String())
}

// script writes a program into a folder of its own beside the clone.
func (r *rig) script(t *testing.T, name, text string) string {
	t.Helper()
	dir := filepath.Join(r.dir, "scripts")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, name)
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}
