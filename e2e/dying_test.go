//go:build e2e && linux

package e2e

import (
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"hydrant/clone"
)

// A disk that answers no more: every verb says so in one line, takes nothing for a plain file, and
// when the disk is back the clone is what it was.
func TestDiskThatDied(t *testing.T) {
	needsRoot(t)
	from, err := shop()
	if err != nil {
		t.Fatal(err)
	}
	for _, kind := range []string{"ext4", "xfs"} {
		for _, mode := range []string{"DELETE", "WAL"} {
			t.Run(kind+", "+mode, func(t *testing.T) {
				v := newVolume(t, kind, map[string]string{"ext4": "64", "xfs": "320"}[kind])
				base := t.TempDir()
				s := &situation{dir: v.dir, db: filepath.Join(v.dir, "app.db"), source: filepath.Join(base, "source.db"), oracle: filepath.Join(base, "oracle.db")}
				copyFile(t, s.source, from)
				copyFile(t, s.oracle, from)
				hydrant(t, "clone", "--no-hydrate", s.source, s.db)
				halfHydrated(t, s.db)
				killedWriter(t, s, mode)
				runScript(t, `sync -f "$1"`, v.dir)
				off := false
				opened, err := openEngine(s.db, &clone.Options{NoBackground: true, Knobs: clone.Knobs{Hydration: &off}})
				if err != nil {
					t.Fatal(err)
				}
				v.losePower(t)
				for _, args := range [][]string{
					{"status", s.db}, {"sql", s.db, "SELECT count(*) FROM t"}, {"sql", s.db, committed}, {"hydrate", s.db},
					{"clone", "--if-not-exists", s.source, s.db}, {"verify", s.db}, {"detach", s.db}, {"recover", s.db}, {"adopt", s.db},
					{"tune", s.db, "bandwidth=1"}, {"clone", s.source, filepath.Join(v.dir, "another.db")},
				} {
					out, err := exec.Command(filepath.Join("..", ".build", "hydrant"), args...).CombinedOutput()
					exit, ok := err.(*exec.ExitError)
					if !ok || exit.ExitCode() > 10 || strings.Count(string(out), "\n") != 1 {
						t.Errorf("hydrant %s: %v: %s", args[0], err, out)
					}
					if args[0] != "sql" && !strings.Contains(string(out), "input/output error") {
						t.Errorf("hydrant %s says: %s", args[0], out)
					}
					t.Logf("%s: %s", args[0], out)
				}
				if _, err := opened.WriteAt(context.Background(), make([]byte, 5000), 100_000); err == nil {
					err = opened.Sync(context.Background())
					if err == nil {
						t.Error("a write is synced on a disk that is gone")
					}
				}
				if err := opened.Close(); err == nil || errors.Is(err, os.ErrNotExist) {
					t.Errorf("close: %v", err)
				}
				v.comeBack(t)
				s.completing = true // to verify, what was not synced is a difference, see DESIGN
				s.goesOn(t)
			})
		}
	}
}
