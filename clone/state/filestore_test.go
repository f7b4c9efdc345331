package state

import (
	"bytes"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"testing"
)

// stores are those that several processes can share.
func stores(t *testing.T) map[string]Store {
	all := map[string]Store{"memory": &MemoryStore{}}
	if runtime.GOOS == "linux" {
		all["file"] = PathStore(filepath.Join(t.TempDir(), "app.db"), 0o640)
	}
	return all
}

func TestStoreCreatesWholeOrNot(t *testing.T) {
	for name, s := range stores(t) {
		if _, err := s.Open(); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s: open before: %v", name, err)
		}
		broken := errors.New("broken")
		if err := s.Create(func(f File) error { f.Allocate(4096); return broken }); !errors.Is(err, broken) {
			t.Errorf("%s: create: %v", name, err)
		}
		if _, err := s.Open(); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s: open after a failure: %v", name, err)
		}
		if err := s.Create(func(f File) error { return Format(f, someSuperblock()) }); err != nil {
			t.Fatalf("%s: create: %v", name, err)
		}
		if err := s.Create(func(f File) error { return f.Allocate(1) }); !errors.Is(err, fs.ErrExist) {
			t.Errorf("%s: create again: %v", name, err)
		}
		f, err := s.Open()
		if err != nil {
			t.Fatal(err)
		}
		if _, err := Load(f); err != nil {
			t.Errorf("%s: load: %v", name, err)
		}
		if current, err := f.Current(); !current || err != nil {
			t.Errorf("%s: current: %v, %v", name, current, err)
		}
		if err := s.Remove(); err != nil {
			t.Error(err)
		}
		if current, err := f.Current(); current || err != nil {
			t.Errorf("%s: current after removal: %v, %v", name, current, err)
		}
		s.Create(func(f File) error { return Format(f, someSuperblock()) })
		if current, err := f.Current(); current || err != nil {
			t.Errorf("%s: current after another was made: %v, %v", name, current, err)
		}
		for range 2 {
			if err := f.Close(); err != nil {
				t.Errorf("%s: close: %v", name, err)
			}
		}
		if p, ok := s.(*FileStore); ok {
			dir, _ := os.ReadDir(filepath.Dir(p.path))
			if len(dir) != 1 {
				t.Errorf("left behind: %v", dir)
			}
			if info, _ := os.Stat(p.path); info.Mode().Perm() != 0o640 {
				t.Errorf("mode %v", info.Mode())
			}
		}
	}
}

// Locks belong to the File: two in one process are as two processes.
func TestLocksAreTheFiles(t *testing.T) {
	for name, s := range stores(t) {
		if err := s.Create(func(f File) error { return Format(f, someSuperblock()) }); err != nil {
			t.Fatal(err)
		}
		a, err := s.Open()
		if err != nil {
			t.Fatal(err)
		}
		b, err := s.Open()
		if err != nil {
			t.Fatal(err)
		}
		c, err := s.Open()
		if err != nil {
			t.Fatal(err)
		}
		try := func(f File, off, n int64, exclusive, want bool) {
			t.Helper()
			if got, err := f.TryLock(off, n, exclusive); got != want || err != nil {
				t.Errorf("%s: lock %d+%d: %v, %v; want %v", name, off-LockClaims, n, got, err, want)
			}
		}
		at := LockClaims + 100
		try(a, at, 10, true, true)
		try(a, at+10, 10, true, true) // one lock with the first, now
		try(b, at+5, 1, false, false)
		try(b, at+19, 5, true, false)
		try(b, at+20, 5, true, true)
		if err := a.Unlock(at+5, 10); err != nil {
			t.Error(err)
		}
		try(b, at+5, 10, true, true)
		try(b, at, 5, true, false)
		try(b, at+15, 5, true, false)
		a.Close()
		try(b, at, 5, true, true)

		try(b, LockAttach, 1, false, true)
		try(c, LockAttach, 1, false, true)
		try(b, LockAttach, 1, true, false) // what it has stays shared
		try(c, LockAttach, 1, true, false)
		b.Unlock(LockAttach, 1)
		try(c, LockAttach, 1, true, true)
		try(b, LockAttach, 1, false, false)
		try(c, LockAttach, 1, false, true) // converted
		try(b, LockAttach, 1, false, true)
		b.Close()
		c.Close()
	}
}

func TestMapsAreShared(t *testing.T) {
	for name, s := range stores(t) {
		s.Create(func(f File) error { return Format(f, someSuperblock()) })
		var states [2]*State
		for i := range states {
			f, err := s.Open()
			if err != nil {
				t.Fatal(err)
			}
			defer f.Close()
			if states[i], err = Load(f); err != nil {
				t.Fatal(err)
			}
		}
		states[0].Maps[Hydrated].Set(1, 5)
		states[1].Maps[Hydrated].Set(4, 9)
		states[0].Head.SetError("words")
		if n := states[0].Maps[Hydrated].Count(); n != 8 {
			t.Errorf("%s: %d bits", name, n)
		}
		if e := states[1].Head.GetError(); e != "words" {
			t.Errorf("%s: %q", name, e)
		}
	}
}

// Looking at a file that one may only read works, and changes nothing, damaged or not.
func TestReadOnlyFileIsLeftAlone(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("the volatile part is not in the file")
	}
	path := filepath.Join(t.TempDir(), "app.db")
	s := PathStore(path, 0o600)
	if err := s.Create(func(f File) error { return Format(f, someSuperblock()) }); err != nil {
		t.Fatal(err)
	}
	lay, _ := NewLayout(5000, 512)
	f, err := s.Open()
	if err != nil {
		t.Fatal(err)
	}
	f.WriteAt([]byte{1, 0xff}, lay.MapOff[Hydrated]) // bits past the end
	f.Close()
	before, _ := os.ReadFile(path + Suffix)
	f, err = s.OpenReadOnly()
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	st, err := Look(f)
	if err == nil {
		err = st.CopyMaps()
	}
	if err != nil {
		t.Fatal(err)
	}
	if n := st.Maps[Hydrated].Count(); n != 3 {
		t.Errorf("%d bits, want 3", n)
	}
	st.Maps[Hydrated].Set(4, 5)
	if after, _ := os.ReadFile(path + Suffix); !bytes.Equal(before, after) {
		t.Error("the file was changed")
	}
}
