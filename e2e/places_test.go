//go:build e2e && linux

package e2e

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"hydrant/clone/state"
	"hydrant/sqlitevfs"
	"hydrant/torture"
)

// ways lead to the clone in folder $1 by way of $2, a free name.
var ways = []struct {
	name, script string
	namespace    bool // nobody else sees it
}{
	{"bind mount", `mkdir "$2"; mount --bind "$1" "$2"`, false},
	{"bind mount in another namespace", `mkdir -p "$2"; mount --bind "$1" "$2"`, true},
	{"bind mount over a symlink", `mkdir -p "$2".a; ln -sfn "$2".a "$2"; mount --bind "$1" "$2"/`, true},
	{"symlink to the folder", `ln -s "$1" "$2"`, false},
	{"symlink to the file", `mkdir "$2"; ln -s "$1"/app.db "$2"/app.db`, false},
	{"symlink to a symlink", `mkdir "$2"; ln -s "$1" "$2"/folder; ln -s folder/app.db "$2"/app.db`, false},
	{"moved away in another namespace", `mkdir -p "$2"; mount --bind "$1" "$2"; mount -t tmpfs tmpfs "$1"`, true},
}

// Two processes use one clone by two ways, and one of them is killed in between; it becomes complete
// while both are in; then it is an ordinary database for both.
func TestTwoWays(t *testing.T) {
	needsRoot(t)
	for _, w := range ways {
		for _, mode := range []string{"DELETE", "WAL"} {
			t.Run(w.name+", "+mode, func(t *testing.T) {
				t.Parallel()
				twoWays(t, w.script, w.namespace, mode)
			})
		}
	}
}

func twoWays(t *testing.T, script string, namespace bool, mode string) {
	base := t.TempDir()
	app, there := filepath.Join(base, "app"), filepath.Join(base, "there")
	if err := os.Mkdir(app, 0o755); err != nil {
		t.Fatal(err)
	}
	db := filepath.Join(app, "app.db")
	c := newCrew(t, 6000)
	hydrant(t, "clone", "--no-hydrate", c.source, db)
	hydrant(t, "sql", db, "PRAGMA journal_mode="+mode)
	var wrap []string
	if namespace {
		wrap = []string{"unshare", "-m", "bash", "-euc", script + `; shift 2; exec "$@"`, "bash", app, there}
	} else {
		t.Cleanup(func() { _ = syscall.Unmount(there, syscall.MNT_DETACH) })
		runScript(t, script, app, there)
	}
	more := map[string]string{"_busy_timeout": "10000"}
	here := sqlitevfs.DSN(db, "", &sqlitevfs.Params{Bandwidth: 300 << 10, More: more})
	yonder := sqlitevfs.DSN(filepath.Join(there, "app.db"), "", &sqlitevfs.Params{Bandwidth: 300 << 10, More: more})
	full := "PRAGMA synchronous=FULL"
	c.join(torture.RoleWriter, 0, here, nil, full)
	victim := c.join(torture.RoleWriter, 1, yonder, wrap, full)
	c.join(torture.RoleReader, 0, here, nil)
	c.join(torture.RoleReader, 0, yonder, wrap)
	c.more(15, 0, 1)
	victim.Kill()
	c.more(5, 0)
	c.join(torture.RoleWriter, 1, yonder, wrap, full)
	c.more(10, 0, 1)
	if front := readFile(t, db); !state.IsGuard(front) {
		t.Errorf("complete already: what this is about came to nothing")
	}
	hydrant(t, "tune", db, "bandwidth=0")
	completed(t, db)
	c.more(10, 0, 1)
	c.leave()
	c.check(torture.RoleCheck, sqlitevfs.DSN(db, "", &sqlitevfs.Params{VFS: "unix"}))
	nothingLeft(t, db)
}

// nothingLeft checks that a complete clone is an ordinary database.
func nothingLeft(t *testing.T, db string) {
	t.Helper()
	if got := shell(t, db, "PRAGMA integrity_check"); got != "ok\n" {
		t.Errorf("integrity_check: %s", got)
	}
	if left, err := filepath.Glob(db + "-hydrant*"); err != nil || len(left) > 0 {
		t.Errorf("%v is left, %v", left, err)
	}
}

// A file that is mounted by itself has other side files than its folder's, and so has every process
// that comes by there: refused, whichever of the files are mounted, in any moment of the clone.
func TestFilesMountedAlone(t *testing.T) {
	needsRoot(t)
	for _, files := range []string{"app.db", "app.db app.db-hydrant", "app.db-hydrant"} {
		t.Run(files, func(t *testing.T) {
			atEachMoment(t, func(t *testing.T, s *situation) {
				there := s.elsewhere(t)
				for f := range strings.FieldsSeq(files) {
					runScript(t, `touch "$2"; mount --bind "$1" "$2"`, filepath.Join(s.dir, f), filepath.Join(there.dir, f))
					t.Cleanup(func() { _ = syscall.Unmount(filepath.Join(there.dir, f), syscall.MNT_DETACH) })
				}
				switch files {
				case "app.db app.db-hydrant":
					there.refusedBut(t, []string{"status"}, there.db, "mounted by itself", "mount its folder")
				case "app.db":
					there.refused(t, there.db, "app.db-hydrant")
				default:
					there.notUsed(t)
				}
				s.goesOn(t)
			})
		})
	}
}

// A clone with two names is refused by either, and goes on when it has one again.
func TestHardLinks(t *testing.T) {
	for _, also := range []string{"app.db", "app.db app.db-hydrant"} {
		t.Run(also, func(t *testing.T) {
			atEachMoment(t, func(t *testing.T, s *situation) {
				there := s.elsewhere(t)
				for f := range strings.FieldsSeq(also) {
					runScript(t, `ln "$1" "$2"`, filepath.Join(s.dir, f), filepath.Join(there.dir, f))
				}
				if strings.Contains(also, "-hydrant") {
					there.refusedBut(t, []string{"status"}, there.db, "2 names (hard links)")
				} else {
					there.refused(t, there.db, "app.db-hydrant")
				}
				s.refusedBut(t, []string{"status"}, s.db, "2 names (hard links)")
				runScript(t, `rm "$1"/app.db*`, there.dir)
				s.goesOn(t)
			})
		})
	}
}

// Under an overlay a file that is opened for writing becomes another one: what is used there is a
// copy. Of a clone at rest that is a branch, of one in use or killed it is refused.
func TestOverlay(t *testing.T) {
	needsRoot(t)
	atEachMoment(t, func(t *testing.T, s *situation) {
		clean := len(sides(t, s)) == 0 && !s.completing
		there := s.elsewhere(t)
		base := t.TempDir()
		if out, err := exec.Command("bash", "-euc", `mount -t tmpfs tmpfs "$1"; mkdir "$1"/upper "$1"/work
			mount -t overlay overlay -o lowerdir="$2",upperdir="$1"/upper,workdir="$1"/work "$3"`, "bash", base, s.dir, there.dir).CombinedOutput(); err != nil {
			_ = syscall.Unmount(base, syscall.MNT_DETACH)
			t.Skipf("no overlay here: %v: %s", err, out)
		}
		t.Cleanup(func() {
			_ = syscall.Unmount(there.dir, syscall.MNT_DETACH)
			_ = syscall.Unmount(base, syscall.MNT_DETACH)
		})
		before := prints(t, s.dir)
		if clean {
			there.oracle += ".branch"
			copyFile(t, there.oracle, s.oracle)
			hydrant(t, "sql", there.db, committed)
			shell(t, there.oracle, committed)
			there.completing = true // it may be, by now
			there.goesOn(t)
		} else {
			there.refusedBut(t, []string{"status"}, there.db, "copy of a clone that was in use")
		}
		if after := prints(t, s.dir); after != before {
			t.Errorf("below it changed from\n%sto\n%s", before, after)
		}
		s.goesOn(t)
	})
}

// On a file system that may not be written to a clone is read, with nothing changed; a complete one is
// a database like any other.
func TestReadOnlyMount(t *testing.T) {
	needsRoot(t)
	atEachMoment(t, func(t *testing.T, s *situation) {
		_, moment, _ := strings.Cut(t.Name(), "/")
		runScript(t, `mount --bind "$1" "$1"; mount -o remount,bind,ro "$1"`, s.dir)
		t.Cleanup(func() { _ = syscall.Unmount(s.dir, syscall.MNT_DETACH) })
		a := &asked{t, s, filepath.Join("..", ".build", "hydrant"), ""}
		a.does(func() { a.readsOnly(strings.ReplaceAll(moment, "_", " "), true, "read-only file system") })
		hydrant(t, "status", s.db)
		runScript(t, `umount "$1"`, s.dir)
		s.goesOn(t)
		runScript(t, `mount --bind "$1" "$1"; mount -o remount,bind,ro "$1"`, s.dir)
		hydrant(t, "status", s.db)
		if _, err := exec.Command("sqlite3", s.db, "SELECT 1 FROM t").Output(); err != nil {
			return // in WAL mode SQLite wants to make files
		}
		if got, want := hydrant(t, "sql", s.db, "SELECT count(*), sum(id) FROM t"), shell(t, s.oracle, "SELECT count(*), sum(id) FROM t"); got != want {
			t.Errorf("complete, on a read-only mount: %q, want %q", got, want)
		}
	})
}

func needsRoot(t *testing.T) {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("mounting needs root")
	}
}
