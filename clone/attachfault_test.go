package clone

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"

	"hydrant/clone/state"
	"hydrant/dest"
	"hydrant/source/sourcetest"
)

// cutStore is the state file at a path, cut to what is left of it before the at-th operation on it
// since it was mapped.
type cutStore struct {
	*state.FileStore
	at       atomic.Int64
	left     int64
	happened atomic.Bool
}

func (s *cutStore) Open() (state.File, error) {
	f, err := s.FileStore.Open()
	if err != nil {
		return nil, err
	}
	return &cutFile{File: f, store: s}, nil
}

func (s *cutStore) cut() {
	if s.at.Add(-1) == 0 {
		s.happened.Store(true)
		if err := os.Truncate(s.Name(), s.left); err != nil {
			panic(err)
		}
	}
}

type cutFile struct {
	state.File
	store  *cutStore
	mapped bool
}

func (f *cutFile) Fd() uintptr { return f.File.(interface{ Fd() uintptr }).Fd() }

func (f *cutFile) Map(off, n int64) ([]byte, error) {
	b, err := f.File.Map(off, n)
	f.mapped = true
	f.cut()
	return b, err
}

func (f *cutFile) cut() {
	if f.mapped {
		f.store.cut()
	}
}

func (f *cutFile) ReadAt(p []byte, off int64) (int, error) { f.cut(); return f.File.ReadAt(p, off) }
func (f *cutFile) WriteAt(p []byte, off int64) (int, error) {
	f.cut()
	return f.File.WriteAt(p, off)
}
func (f *cutFile) WriteSync(p []byte, off int64) error { f.cut(); return f.File.WriteSync(p, off) }
func (f *cutFile) ID() (state.FileID, error)           { f.cut(); return f.File.ID() }
func (f *cutFile) Sync() error                         { f.cut(); return f.File.Sync() }
func (f *cutFile) TryLock(off, n int64, exclusive bool) (bool, error) {
	f.cut()
	return f.File.TryLock(off, n, exclusive)
}

// A state file that is cut at any moment of whatever maps it, by whoever comes alone or joins others:
// the process lives, no descriptor is left open, and what was written is still in dest.
func TestStateFileIsCutWhileItIsLoaded(t *testing.T) {
	if state.BootID() == [16]byte{} {
		t.Skip("memory is not shared here")
	}
	const size = 1 << 20
	ctx := context.Background()
	for what, do := range map[string]func(f *family, s *cutStore) error{
		"open": func(f *family, s *cutStore) error {
			opts := f.opts
			c, err := Open(ctx, unclosed{f.src}, dest.File(f.path), s, &opts)
			if err != nil {
				return err
			}
			_, err = c.ReadAt(ctx, make([]byte, 10_000), size/2)
			c.Status()
			return errors.Join(err, c.Close())
		},
		"recover": func(f *family, s *cutStore) error {
			_, err := Recover(dest.File(f.path), s)
			return err
		},
		"adopt": func(f *family, s *cutStore) error {
			_, err := Adopt(dest.File(f.path), s)
			return err
		},
	} {
		for _, left := range []int64{0, 16384} {
			for _, joins := range []bool{false, true} {
				if joins && what != "open" {
					continue
				}
				t.Run(fmt.Sprintf("%s, %d left, joins %v", what, left, joins), func(t *testing.T) {
					t.Parallel()
					dir := t.TempDir()
					for at := int64(1); ; at++ {
						o := newOracle(size, 1)
						f := &family{t: t, path: filepath.Join(dir, fmt.Sprint("blob", at)), src: sourcetest.NewVirtual(o.blob, size)}
						quiet(&f.opts)
						keep(&f.opts)
						c := f.open()
						if _, err := c.WriteAt(ctx, []byte("written"), 500_000); err != nil {
							t.Fatal(err)
						}
						if err := c.Sync(ctx); err != nil {
							t.Fatal(err)
						}
						switch {
						case joins:
						case what == "open":
							kill(c)
						case what == "recover":
							c.setMode(state.ReadOnly, errors.New("a sync failed"))
							kill(c)
						default:
							kill(c)
							copyWhole(t, f.path)
						}
						fds := descriptors(t, f.path)
						s := &cutStore{FileStore: state.PathStore(f.path, 0o644), left: left}
						s.at.Store(at)
						err := do(f, s)
						if !s.happened.Load() {
							if at < 4 {
								t.Fatalf("it is over after %d operations: %v", at, err)
							}
							return
						}
						if n := descriptors(t, f.path); n != fds {
							t.Fatalf("cut before operation %d: %d descriptors, %d before (%v)", at, n, fds, err)
						}
						if got := image(t, f.path)[500_000:500_007]; string(got) != "written" {
							t.Fatalf("cut before operation %d: dest holds %q (%v)", at, got, err)
						}
						if joins {
							c.Close()
						}
					}
				})
			}
		}
	}
}

// copyWhole puts a copy of the clone at path in its place.
func copyWhole(t *testing.T, path string) {
	t.Helper()
	for _, p := range []string{path, path + state.Suffix} {
		b := image(t, p)
		if err := os.Remove(p); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(p, b, 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

func image(t *testing.T, path string) []byte {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// descriptors is how many this process has on the clone at path.
func descriptors(t *testing.T, path string) (n int) {
	t.Helper()
	fds, err := filepath.Glob("/proc/self/fd/*")
	if err != nil {
		t.Fatal(err)
	}
	for _, fd := range fds {
		if to, err := os.Readlink(fd); err == nil && (to == path || to == path+state.Suffix) {
			n++
		}
	}
	return n
}
