//go:build e2e && linux

package e2e

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// steps are the system calls at which a clone is made or completed, and at how many of each the power
// is lost.
var steps = []struct {
	call string
	most int
}{
	{"fallocate", 2}, {"ftruncate", 2}, {"fchmod", 2}, {"pwrite64", 5}, {"pwritev2", 6}, {"fsync", 5}, {"fdatasync", 5},
	{"linkat", 3}, {"unlinkat", 4}, {"renameat", 3}, {"renameat2", 2},
}

// thorough is for those who have time: HYDRANT_THOROUGH=1.
var thorough = os.Getenv("HYDRANT_THOROUGH") != ""

// diesAt runs the command, which is killed at its n-th call of this kind in some thread, and tells
// whether it came to that.
func diesAt(t *testing.T, call string, n int, args ...string) bool {
	t.Helper()
	cmd := exec.Command("strace", append([]string{"-D", "-f", "-qqq", "-o", "/dev/null", "-e", "trace=" + call,
		"-e", fmt.Sprintf("inject=%s:signal=KILL:when=%d", call, n), filepath.Join("..", ".build", "hydrant")}, args...)...)
	cmd.Env = append(os.Environ(), "GOMAXPROCS=1")
	out, err := cmd.CombinedOutput()
	if err == nil {
		return false
	}
	if exit, ok := errors.AsType[*exec.ExitError](err); ok && exit.Sys().(syscall.WaitStatus).Signal() == syscall.SIGKILL {
		return true
	}
	t.Fatalf("hydrant %v, to be killed at %s %d: %v: %s", args, call, n, err, out)
	return false
}

// losesPowerAtEachStep runs a command in situations of one kind, kills it at one step after the other,
// loses what was not on the disk by then, and has after look at what is left.
func losesPowerAtEachStep(t *testing.T, kind string, begin func(t *testing.T, s *situation), args func(s *situation) []string, after func(t *testing.T, s *situation, step string)) {
	needsRoot(t)
	if out, err := exec.Command("strace", "-qqq", "-o", "/dev/null", "true").CombinedOutput(); err != nil {
		t.Skipf("no strace here: %v: %s", err, out)
	}
	v := newVolume(t, kind, map[string]string{"ext4": "160", "xfs": "320"}[kind])
	from, err := shop()
	if err != nil {
		t.Fatal(err)
	}
	base := t.TempDir()
	died := 0
	for _, step := range steps {
		for n := 1; n <= step.most; n++ {
			name := fmt.Sprintf("%s %d", step.call, n)
			s := &situation{dir: filepath.Join(v.dir, step.call+fmt.Sprint(n)), source: filepath.Join(base, "source.db"), oracle: filepath.Join(base, "oracle.db")}
			s.db = filepath.Join(s.dir, "app.db")
			copyFile(t, s.source, from)
			copyFile(t, s.oracle, from)
			if err := os.Mkdir(s.dir, 0o755); err != nil {
				t.Fatal(err)
			}
			begin(t, s)
			runScript(t, `sync -f "$1"`, v.dir)
			dead := diesAt(t, step.call, n, args(s)...)
			v.losePower(t)
			v.comeBack(t)
			after(t, s, name)
			if t.Failed() {
				t.Fatalf("at %s", name)
			}
			runScript(t, `rm -r "$1"`, s.dir)
			if !dead {
				break
			}
			died++
		}
	}
	if t.Logf("%d steps", died); died < 10 {
		t.Errorf("it was killed at %d steps only", died)
	}
}

// Power is lost at each step of making a clone: there is none, or one that begins at its beginning;
// never a file that somebody could take for a database; and making it again succeeds.
func TestPowerLossWhileMaking(t *testing.T) {
	for _, kind := range []string{"ext4", "xfs"} {
		if kind != "ext4" && !thorough {
			continue
		}
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			losesPowerAtEachStep(t, kind, func(*testing.T, *situation) {},
				func(s *situation) []string { return []string{"clone", "--no-hydrate", s.source, s.db} },
				func(t *testing.T, s *situation, step string) {
					if _, err := os.Stat(s.db); err == nil {
						refusedByShell(t, s.db)
					} else if !errors.Is(err, fs.ErrNotExist) {
						t.Error(err)
					}
					if out, err := run("status", s.db); err != nil && (strings.Count(out, "\n") != 1 || !strings.Contains(out, "no such file")) {
						t.Errorf("%s: status: %v: %s", step, err, out)
					}
					hydrant(t, "clone", "--no-hydrate", s.source, s.db)
					s.goesOn(t)
				})
		})
	}
}

// Power is lost at each step of completing and detaching: what is left is the clone or the database,
// with every commit that was synced before, and goes on to its end.
func TestPowerLossWhileCompleting(t *testing.T) {
	for _, kind := range []string{"ext4", "xfs"} {
		for _, m := range moments {
			if (kind != "ext4" || m.name == "half") && !thorough {
				continue
			}
			if strings.HasPrefix(m.name, "completing") || m.name == "fresh" {
				continue
			}
			t.Run(kind+", "+m.name, func(t *testing.T) {
				t.Parallel()
				losesPowerAtEachStep(t, kind,
					func(t *testing.T, s *situation) {
						hydrant(t, "clone", "--no-hydrate", s.source, s.db)
						m.do(t, s)
					},
					func(s *situation) []string { return []string{"hydrate", s.db} },
					func(t *testing.T, s *situation, _ string) {
						if front := readFile(t, s.db)[:16]; string(front[:8]) == "hydrant\n" {
							refusedByShell(t, s.db)
						} else if got := shell(t, s.db, "PRAGMA integrity_check"); got != "ok\n" {
							t.Errorf("without a guard: integrity_check: %s", got)
						}
						s.completing = true // to verify, what was not synced is a difference, see DESIGN
						s.goesOn(t)
					})
			})
		}
	}
}
