//go:build e2e && linux

package hosts

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"hydrant/sqlitevfs"
)

// packed is the file of `make packages` that pattern finds.
func packed(t *testing.T, pattern string) string {
	t.Helper()
	found, err := filepath.Glob(filepath.Join(project(t), "dist", pattern))
	if err != nil || len(found) != 1 {
		t.Fatalf("%s: %v, %v: run `make packages`", pattern, found, err)
	}
	return found[0]
}

// in runs a program in a folder and returns what it says.
func in(t *testing.T, dir, name string, args ...string) string {
	t.Helper()
	cmd := exec.Command(name, args...)
	cmd.Dir = dir
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%s %s: %v\n%s", name, strings.Join(args, " "), err, out)
	}
	return strings.TrimSpace(string(out))
}

// The npm package is installed from its file into an empty folder, and is all that is needed beside a
// SQLite, in both of Node's kinds of modules.
func TestNpmPackage(t *testing.T) {
	r := newRig(t, 1<<20)
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "package.json"), []byte(`{"private": true}`), 0o644); err != nil {
		t.Fatal(err)
	}
	in(t, dir, "npm", "install", "--offline", "--no-audit", "--no-fund", "--silent", packed(t, "hydrant-sqlite-*.tgz"))
	write := func(name, text string) {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	write("own.mjs", `
import { DatabaseSync } from 'node:sqlite';
import { load, loadablePath } from 'hydrant-sqlite';
load(new DatabaseSync(':memory:', { allowExtension: true }));
const db = new DatabaseSync(process.argv[2]);
console.log(loadablePath().startsWith(process.cwd()), db.prepare('SELECT count(*) AS n FROM customers').get().n);
`)
	write("better.cjs", `
const Database = require(process.argv[2]);
const hydrant = require('hydrant-sqlite');
const boot = new Database(':memory:');
hydrant.load(boot);
boot.prepare('SELECT hydrant_clone(?, ?), hydrant_default(1)').get(process.argv[3], 'better.db');
console.log(new Database('better.db').prepare('SELECT count(*) FROM customers WHERE hydrant_progress() > 0').pluck().get());
`)
	n := r.answer(t, "SELECT count(*) FROM customers")
	if got := in(t, dir, newNode(t), "--no-warnings", "own.mjs", sqlitevfs.DSN(r.path, r.source, nil)); got != "true "+n {
		t.Errorf("node: %s, want true %s", got, n)
	}
	better := filepath.Join(modules(t, "better-sqlite3"), "node_modules", "better-sqlite3")
	if got := in(t, dir, "node", "better.cjs", better, r.source); got != n {
		t.Errorf("better-sqlite3: %s, want %s", got, n)
	}
}

// The wheel is installed from its file into an environment of its own.
func TestPythonWheel(t *testing.T) {
	r := newRig(t, 1<<20)
	dir := t.TempDir()
	in(t, dir, pythonPath(t), "-m", "venv", "env")
	python := filepath.Join(dir, "env", "bin", "python")
	in(t, dir, python, "-m", "pip", "install", "--no-index", "--no-deps", "--disable-pip-version-check", "--quiet", packed(t, "hydrant_sqlite-*.whl"))
	got := in(t, dir, python, "-c", `
import hydrant_sqlite, sqlite3, sys
boot = sqlite3.connect(":memory:")
hydrant_sqlite.load(boot)
try:
    boot.execute("SELECT load_extension(?)", [hydrant_sqlite.loadablePath()])
except sqlite3.OperationalError as e:
    print(e)
db = sqlite3.connect(sys.argv[1], uri=True)
print(hydrant_sqlite.loadable_path().startswith(sys.prefix), db.execute("SELECT count(*) FROM customers").fetchone()[0], db.execute("SELECT hydrant_wait(60)").fetchone()[0])
`, sqlitevfs.DSN(r.path, r.source, nil))
	if want := "not authorized\ntrue " + r.answer(t, "SELECT count(*) FROM customers") + " 1"; !strings.EqualFold(got, want) {
		t.Errorf("%s\nwant\n%s", got, want)
	}
	if got := in(t, dir, python, "-m", "pip", "--disable-pip-version-check", "check"); got != "No broken requirements found." {
		t.Error(got)
	}
	in(t, dir, python, "-m", "pip", "--disable-pip-version-check", "uninstall", "-y", "hydrant-sqlite")
	if left, _ := filepath.Glob(filepath.Join(dir, "env", "lib", "*", "site-packages", "hydrant*")); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
}
