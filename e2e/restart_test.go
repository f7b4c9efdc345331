//go:build e2e && linux

package e2e

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"hydrant/clone"
	"hydrant/clone/state"
)

// container is a folder that has been mounted anew when a container has been restarted: by its volume,
// which then has nothing in memory any more, or by a bind mount of a file system that lives on.
type container struct {
	inside  string // what processes see
	outside string // the folder that is mounted there, "": the volume is
	volume  *volume
}

func newContainer(t *testing.T, bind bool) *container {
	v := newVolume(t, "ext4", "256")
	if !bind {
		return &container{inside: v.dir, volume: v}
	}
	c := &container{inside: t.TempDir(), outside: v.dir}
	runScript(t, `mount --bind "$1" "$2"`, c.outside, c.inside)
	t.Cleanup(func() { _ = syscall.Unmount(c.inside, syscall.MNT_DETACH) })
	return c
}

func (c *container) losePower(*testing.T) {}

// comeBack mounts it anew, when nobody uses it any more.
func (c *container) comeBack(t *testing.T) {
	t.Helper()
	if c.outside == "" {
		runScript(t, `umount -d "$1"; mount -o loop "$2" "$1"`, c.inside, c.volume.image)
		return
	}
	runScript(t, `umount "$2"; mount --bind "$1" "$2"`, c.outside, c.inside)
}

// A container is killed and restarted, again and again, while a database is hydrated and written to:
// its files are under another mount then, and only what was synced counts of the clone. Every commit
// that was answered is there, since SQLite has synced it or has it in its WAL, which is no clone.
func TestContainerRestart(t *testing.T) {
	needsRoot(t)
	for _, way := range []string{"volume", "bind mount"} {
		for _, p := range []struct {
			mode, synchronous string
			keeps             bool
		}{{"DELETE", "FULL", true}, {"WAL", "FULL", true}, {"WAL", "NORMAL", true}, {"DELETE", "OFF", false}} {
			t.Run(way+", "+p.mode+", "+p.synchronous, func(t *testing.T) {
				t.Parallel()
				seed := rand.Uint64()
				t.Logf("seed %d", seed)
				c := newContainer(t, way == "bind mount")
				restartAgain(t, c.inside, c, p.mode, p.synchronous, p.keeps, p.keeps, seed)
			})
		}
	}
}

// The same with bytes: what was synced is there, what was not is there or what was before, and no
// region is half of each.
func TestContainerRestartWithABlob(t *testing.T) {
	needsRoot(t)
	for _, way := range []string{"volume", "bind mount"} {
		t.Run(way, func(t *testing.T) {
			t.Parallel()
			seed := rand.Uint64()
			t.Logf("seed %d", seed)
			r := rand.New(rand.NewPCG(seed, 7))
			c := newContainer(t, way == "bind mount")
			source, dst := filepath.Join(t.TempDir(), "source"), filepath.Join(c.inside, "blob")
			if err := os.WriteFile(source, stamped(0, blobSize/sectorSize, 0), 0o600); err != nil {
				t.Fatal(err)
			}
			hydrant(t, "clone", "--no-hydrate", source, dst)
			h, version := newHistory(), uint64(1)
			for round := 0; round < 5; round++ {
				cmd := childCommand("stamps", dst, source, fmt.Sprint(seed), fmt.Sprint(version))
				var out bytes.Buffer
				cmd.Stdout, cmd.Stderr = &out, os.Stderr
				if err := cmd.Start(); err != nil {
					t.Fatal(err)
				}
				time.Sleep(time.Duration(100+r.IntN(900)) * time.Millisecond) // a moment that nothing can name
				_ = cmd.Process.Kill()
				_ = cmd.Wait()
				lines := bytes.Split(out.Bytes(), []byte("\n"))
				for _, line := range lines {
					version = max(version, h.note(string(line)))
				}
				c.comeBack(t)
				t.Logf("round %d: %d operations, up to version %d", round, len(lines)-1, version)
				if front := readFile(t, dst)[:state.FirstBytes]; !state.IsGuard(front) {
					break
				}
				if h.ask(t, dst); round%2 == 0 {
					c.comeBack(t)
				}
			}
			if _, err := os.Stat(dst + "-hydrant"); err == nil {
				hydrant(t, "hydrate", dst)
			}
			h.found(t, readFile(t, dst))
		})
	}
}

// ask reads what is not certain, and leaves the rest of the clone where it is.
func (h *history) ask(t *testing.T, path string) {
	t.Helper()
	off := false
	c, err := openEngine(path, &clone.Options{NoBackground: true, Knobs: clone.Knobs{Hydration: &off}})
	if err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	}()
	size, err := c.Size()
	if err != nil {
		t.Fatal(err)
	}
	p, asked := make([]byte, size), 0
	for s, may := range h.sectors[:size/sectorSize] {
		at := p[s*sectorSize : (s+1)*sectorSize]
		switch {
		case len(may) > 1 || may[0] == absent:
			asked++
			if _, err := c.ReadAt(t.Context(), at, int64(s)*sectorSize); err != nil {
				t.Fatal(err)
			}
		case may[0] >= 0:
			copy(at, stamped(s, s+1, uint64(may[0])))
		}
	}
	h.found(t, p)
	t.Logf("%d sectors were not certain", asked)
}
