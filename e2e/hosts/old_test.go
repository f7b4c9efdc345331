//go:build e2e && linux

package hosts

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// oldWorker is testdata/worker.c with the SQLite that a version of Go's driver brought.
func oldWorker(t *testing.T, driver string) string {
	t.Helper()
	bin := filepath.Join(project(t), ".build", "hosts", "worker-"+driver)
	if _, err := os.Stat(bin); err == nil {
		return bin
	}
	download := exec.Command("go", "mod", "download", "-json", "github.com/mattn/go-sqlite3@"+driver)
	download.Dir = t.TempDir() // no module's: nothing of ours depends on it
	out, err := download.Output()
	var module struct{ Dir string }
	if err == nil {
		err = json.Unmarshal(out, &module)
	}
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	part := bin + ".part"
	cc := exec.Command("cc", "-O0", "-w", "-o", part, "-I", module.Dir, "-DSQLITE_THREADSAFE=1",
		filepath.Join("testdata", "worker.c"), filepath.Join(module.Dir, "sqlite3-binding.c"), "-lpthread", "-ldl", "-lm")
	if err := os.MkdirAll(filepath.Dir(bin), 0o755); err != nil {
		t.Fatal(err)
	}
	if out, err := cc.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	if err := os.Rename(part, bin); err != nil {
		t.Fatal(err)
	}
	return bin
}

// The oldest SQLite that is supported, 3.32, lives through all that the others do.
func TestOldestSQLite(t *testing.T) {
	h := host{"SQLite 3.32", true, func(t *testing.T) *exec.Cmd { return exec.Command(oldWorker(t, "v1.14.0")) }}
	p := h.start(t)
	if v := p.run(t, "SELECT sqlite_version()"); v != "3.32.2" {
		t.Fatal(v)
	}
	p.end(t)
	life(t, h)
}

// What is older says that it is too old, and works on.
func TestTooOldSQLite(t *testing.T) {
	p := host{name: "go", command: func(t *testing.T) *exec.Cmd { return exec.Command(oldWorker(t, "v1.13.0")) }}.start(t)
	_, err := p.try(".load " + extension(t))
	if err == nil || !strings.Contains(err.Error(), "SQLite 3.32 or later is needed") {
		t.Errorf("%v", err)
	}
	if v := p.run(t, "SELECT sqlite_version()"); v != "3.30.1" {
		t.Error(v)
	}
	p.end(t)
}
