//go:build e2e && linux

package e2e

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// small mounts a file system of so many megabytes, and returns a function that makes it larger.
func small(t *testing.T, megabytes int) (dir string, grow func(megabytes int)) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("mounting a small file system needs root")
	}
	dir = t.TempDir()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", 0, fmt.Sprintf("size=%dm", megabytes)); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(dir, syscall.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	return dir, func(megabytes int) {
		if err := syscall.Mount("tmpfs", dir, "tmpfs", syscall.MS_REMOUNT, fmt.Sprintf("size=%dm", megabytes)); err != nil {
			t.Fatal(err)
		}
	}
}

// A disk that fills up while a blob is copied to it: hydration says so and goes on when there is
// room; nothing is lost.
func TestDiskFullWhileHydrating(t *testing.T) {
	dir, grow := small(t, 84)
	blob := filepath.Join(t.TempDir(), "blob")
	content := make([]byte, 40_000_000)
	rand.NewChaCha8([32]byte{1}).Read(content)
	if err := os.WriteFile(blob, content, 0o644); err != nil {
		t.Fatal(err)
	}
	dst := filepath.Join(dir, "blob.bin")
	said := fails(t, 1, "clone", blob, dst)
	if !strings.Contains(said, "disk is full") || !strings.Contains(said, "make room") {
		t.Errorf("it says: %s", said)
	}
	if status := hydrant(t, "status", dst); !strings.Contains(status, "paused") {
		t.Errorf("status says: %s", status)
	}
	grow(300)
	hydrant(t, "hydrate", dst)
	if !bytes.Equal(readFile(t, dst), content) {
		t.Error("the clone has other bytes than the source")
	}
}

// A disk that fills up while SQL writes: the statement fails, its transaction is undone, reading
// goes on, and with room again so does everything.
func TestDiskFullWhileWriting(t *testing.T) {
	dir, grow := small(t, 12)
	source := filepath.Join(t.TempDir(), "source.db")
	copyFile(t, source, databases[1])
	db := filepath.Join(dir, "app.db")
	hydrant(t, "clone", "--no-hydrate", source, db)
	const count = "SELECT count(*), total(length(sql)) FROM sqlite_schema"
	want := shell(t, source, count)
	said := fails(t, 1, "sql", db, "CREATE TABLE big AS SELECT randomblob(1000000) FROM (WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM n LIMIT 40) SELECT i FROM n)")
	if !strings.Contains(said, "disk is full") {
		t.Errorf("it says: %s", said)
	}
	if got := hydrant(t, "sql", db, count); got != want {
		t.Errorf("after the failure: %q, want %q", got, want)
	}
	grow(300)
	if got := hydrant(t, "sql", db, "CREATE TABLE fits(a); PRAGMA integrity_check"); got != "ok\n" {
		t.Errorf("integrity_check: %s", got)
	}
	shell(t, source, "CREATE TABLE fits(a)")
	hydrant(t, "hydrate", db)
	if got, want := shell(t, db, ".sha3sum"), shell(t, source, ".sha3sum"); got != want {
		t.Errorf("content is %s, want %s", got, want)
	}
}

// A folder that may not be written to is refused in one line, and nothing is left in it.
func TestReadOnlyFolder(t *testing.T) {
	dir, bin, _ := publicDir(t)
	source := filepath.Join(dir, "source.db")
	copyFile(t, source, databases[2])
	folder := filepath.Join(dir, "folder")
	if err := os.Mkdir(folder, 0o555); err != nil {
		t.Fatal(err)
	}
	args := append(asUser(alice), bin, "clone", source, filepath.Join(folder, "app.db"))
	out, err := exec.Command(args[0], args[1:]...).CombinedOutput()
	if err == nil || strings.Count(string(out), "\n") != 1 || !strings.Contains(string(out), "permission denied") {
		t.Errorf("%v, it says: %s", err, out)
	}
	if left, err := os.ReadDir(folder); err != nil || len(left) > 0 {
		t.Errorf("%v is left in the folder, %v", left, err)
	}
}

// fails runs the command, which must exit with this code, and returns what it says.
func fails(t *testing.T, code int, args ...string) string {
	t.Helper()
	out, err := exec.Command(filepath.Join("..", ".build", "hydrant"), args...).CombinedOutput()
	exit, ok := err.(*exec.ExitError)
	if !ok || exit.ExitCode() != code {
		t.Fatalf("hydrant %s: %v, want exit code %d\n%s", strings.Join(args, " "), err, code, out)
	}
	return string(out)
}
