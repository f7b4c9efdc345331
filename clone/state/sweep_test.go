package state

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
)

// What processes that died have left of making the file goes when it is next made; what somebody is
// at stays, and so do files of other names.
func TestLeftoversAreSweptAndNothingElse(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("no locks between files here")
	}
	dir := t.TempDir()
	s := PathStore(filepath.Join(dir, "a[b]*.db"), 0o640)
	busy, err := s.temporary()
	if err != nil {
		t.Fatal(err)
	}
	defer busy.Close()
	for _, name := range []string{"a[b]*.db-hydrant.3.new", "ab.db-hydrant.3.new", "a[b]*.db-hydrant.new", "a[b]*.db-hydrant.d2.new", "a[b]*.db-wal"} {
		if err := os.WriteFile(filepath.Join(dir, name), nil, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	make := func(f File) error { return Format(f, someSuperblock()) }
	if err := s.Create(make); err != nil {
		t.Fatal(err)
	}
	want := map[string]bool{
		filepath.Base(busy.path): true, "ab.db-hydrant.3.new": true, "a[b]*.db-hydrant.new": true, "a[b]*.db-hydrant.d2.new": true, "a[b]*.db-wal": true, "a[b]*.db-hydrant": true,
	}
	check := func() {
		t.Helper()
		left, err := os.ReadDir(dir)
		if err != nil || len(left) != len(want) {
			t.Errorf("left: %v, %v", left, err)
		}
		for _, e := range left {
			if !want[e.Name()] {
				t.Errorf("%s is left", e.Name())
			}
		}
	}
	check()
	// One that died between giving the file its name and taking the other away.
	if err := os.Link(s.path, s.path+".4.new"); err != nil {
		t.Fatal(err)
	}
	s.Sweep()
	check()
	if f, err := s.Open(); err != nil {
		t.Error(err)
	} else if _, err := Load(f); err != nil {
		t.Error(err)
	}
	busy.Close()
	if err := s.Remove(); err != nil {
		t.Fatal(err)
	}
	delete(want, filepath.Base(busy.path))
	delete(want, "a[b]*.db-hydrant")
	check()
}

// Sweepers and makers at the same time: one maker wins, and nothing is left.
func TestSweepersAndMakersMeet(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("no locks between files here")
	}
	for range 50 {
		dir := t.TempDir()
		s := PathStore(filepath.Join(dir, "app.db"), 0o640)
		var all sync.WaitGroup
		var mu sync.Mutex
		won := 0
		for range 4 {
			all.Go(func() {
				err := s.Create(func(f File) error { return f.Allocate(4096) })
				mu.Lock()
				defer mu.Unlock()
				if err == nil {
					won++
				} else if !errors.Is(err, fs.ErrExist) {
					t.Error(err)
				}
			})
			all.Go(s.Sweep)
		}
		all.Wait()
		if left, err := os.ReadDir(dir); err != nil || len(left) != 1 || won != 1 {
			t.Fatalf("%d won, left: %v, %v", won, left, err)
		}
	}
}

// More makers at one time than there are names wait for each other.
func TestManyMakers(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("no locks between files here")
	}
	dir := t.TempDir()
	s := PathStore(filepath.Join(dir, "app.db"), 0o640)
	var all sync.WaitGroup
	var won, lost atomic.Int32
	for range 3 * makers {
		all.Go(func() {
			switch err := s.Create(func(f File) error { return f.Allocate(4096) }); {
			case err == nil:
				won.Add(1)
			case errors.Is(err, fs.ErrExist):
				lost.Add(1)
			default:
				t.Error(err)
			}
		})
	}
	all.Wait()
	if left, err := os.ReadDir(dir); err != nil || len(left) != 1 || won.Load() != 1 || lost.Load() != 3*makers-1 {
		t.Errorf("%d won, %d lost, left: %v, %v", won.Load(), lost.Load(), left, err)
	}
}
