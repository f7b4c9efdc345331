//go:build e2e && linux

package e2e

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// leave fills the disk that dir is on, up to so many kilobytes.
func leave(t *testing.T, dir string, kilobytes int) (empty func()) {
	t.Helper()
	runScript(t, fill, dir, fmt.Sprint(kilobytes))
	return func() {
		t.Helper()
		if err := os.Remove(filepath.Join(dir, "filler")); err != nil {
			t.Fatal(err)
		}
	}
}

// fullDisks runs f on a disk of its own of each kind.
func fullDisks(t *testing.T, f func(t *testing.T, dir string)) {
	for _, kind := range []string{"tmpfs", "ext4"} {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			if kind == "tmpfs" {
				dir, _ := small(t, 160)
				f(t, dir)
				return
			}
			f(t, newVolume(t, kind, "160").dir)
		})
	}
}

// A disk that has room for some of what making a clone needs, from nothing on: it is made, or refused in
// one line that says why, with nothing left behind; and made when there is room.
func TestDiskFullWhileMaking(t *testing.T) {
	fullDisks(t, func(t *testing.T, dir string) {
		source := filepath.Join(t.TempDir(), "source.db")
		from, err := shop()
		if err != nil {
			t.Fatal(err)
		}
		copyFile(t, source, from)
		refused, made := 0, 0
		for kilobytes := 0; kilobytes < 2000 && made < 2; kilobytes += 4 + kilobytes/2/4*4 {
			db := filepath.Join(dir, fmt.Sprint("room", kilobytes), "app.db")
			if err := os.Mkdir(filepath.Dir(db), 0o755); err != nil {
				t.Fatal(err)
			}
			empty := leave(t, dir, kilobytes)
			out, err := run("clone", "--no-hydrate", source, db)
			if err != nil {
				refused++
				if strings.Count(out, "\n") != 1 || !strings.Contains(out, "no space left on device") {
					t.Errorf("with %d KiB: it says: %s", kilobytes, out)
				}
				if left, err := os.ReadDir(filepath.Dir(db)); err != nil || len(left) > 0 {
					t.Errorf("with %d KiB: %v is left, %v", kilobytes, left, err)
				}
			} else {
				made++
				if got, want := hydrant(t, "sql", db, "SELECT count(*) FROM t"), shell(t, source, "SELECT count(*) FROM t"); got != want {
					t.Errorf("with %d KiB: %q, want %q", kilobytes, got, want)
				}
			}
			empty()
			hydrant(t, "clone", source, db)
			if !bytes.Equal(readFile(t, db), readFile(t, source)) {
				t.Errorf("with %d KiB: the clone has other bytes than the source", kilobytes)
			}
			nothingLeft(t, db)
			runScript(t, `rm -r "$1"`, filepath.Dir(db))
		}
		if t.Logf("refused %d times, made %d times", refused, made); refused < 2 || made == 0 {
			t.Error("the disk was not full at the moments that this is about")
		}
	})
}

// All of a clone is here, with a hot journal or a WAL beside it, when its disk becomes full: completing
// it succeeds, or says in one line why not; no commit is lost; and with room it goes on to its end.
func TestDiskFullWhileCompleting(t *testing.T) {
	fullDisks(t, func(t *testing.T, dir string) {
		from, err := shop()
		if err != nil {
			t.Fatal(err)
		}
		seed := rand.Uint64()
		t.Logf("seed %d", seed)
		r := rand.New(rand.NewPCG(seed, 1))
		failed := 0
		for _, mode := range []string{"DELETE", "WAL"} {
			for _, kilobytes := range []int{0, 4 + 4*r.IntN(20)} {
				base := t.TempDir()
				s := &situation{dir: filepath.Join(dir, fmt.Sprint(mode, kilobytes)), source: filepath.Join(base, "source.db"), oracle: filepath.Join(base, "oracle.db")}
				s.db = filepath.Join(s.dir, "app.db")
				if err := os.Mkdir(s.dir, 0o755); err != nil {
					t.Fatal(err)
				}
				copyFile(t, s.source, from)
				copyFile(t, s.oracle, from)
				hydrant(t, "clone", "--no-hydrate", s.source, s.db)
				killedWriter(t, s, mode)
				killed(t, "all", s.db)
				empty := leave(t, dir, kilobytes)
				out, err := run("hydrate", s.db)
				if err != nil {
					if failed++; strings.Count(out, "\n") != 1 || !strings.Contains(out, "full") && !strings.Contains(out, "no space left") && !strings.Contains(out, "disk I/O error") {
						t.Errorf("%s, %d KiB: it says: %s", mode, kilobytes, out)
					}
				}
				t.Logf("%s, %d KiB: %v: %s", mode, kilobytes, err, out)
				empty()
				if _, err := os.Stat(s.db + "-hydrant"); err == nil {
					s.completing = true
					s.goesOn(t)
				} else {
					s.ended(t)
				}
				runScript(t, `rm -r "$1"`, s.dir)
			}
		}
		t.Logf("%d times it had to wait", failed)
	})
}
