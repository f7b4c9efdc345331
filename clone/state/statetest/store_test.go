package statetest

import (
	"io/fs"
	"math/rand/v2"
	"testing"

	"hydrant/clone/state"
)

func read(t *testing.T, s *Store, off int64) string {
	t.Helper()
	f, err := s.Open()
	if err != nil {
		return "none"
	}
	b := make([]byte, 1)
	if _, err := f.ReadAt(b, off); err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// outcomes is what may be read at off after each way in which power can be lost.
func outcomes(t *testing.T, s *Store, off int64) map[string]bool {
	seen := map[string]bool{}
	for ways := range 16 {
		seen[read(t, s.CrashAs(func(n int) int { c := ways % n; ways /= n; return c }, false, nil), off)] = true
		seen[read(t, s.Crash(rand.New(rand.NewPCG(uint64(ways), 1))), off)] = true
	}
	return seen
}

func TestWhatACrashMayLeave(t *testing.T) {
	s := new(Store)
	var within []*Store
	s.Moment = func() { s.Note(); within = append(within, s.Copy()) }
	last := func() *Store { return within[len(within)-1] }
	expect := func(what string, at *Store, off int64, want ...string) {
		t.Helper()
		seen := outcomes(t, at, off)
		for _, w := range want {
			if !seen[w] {
				t.Errorf("%s: never %q: %v", what, w, seen)
			}
		}
		if len(seen) != len(want) {
			t.Errorf("%s: %v, want %q", what, seen, want)
		}
	}

	if err := s.Create(func(f state.File) error {
		if err := f.Allocate(3 * 4096); err != nil {
			return err
		}
		_, err := f.WriteAt([]byte("a"), 0)
		return err
	}); err != nil {
		t.Fatal(err)
	}
	expect("within create", last(), 0, "a", "none")
	expect("created", s, 0, "a")

	f, err := s.Open()
	if err != nil {
		t.Fatal(err)
	}
	mapped, err := f.Map(4096, 4096)
	if err != nil {
		t.Fatal(err)
	}
	f.WriteAt([]byte("b"), 0)
	expect("written", s, 0, "a", "b")
	f.WriteSync([]byte("c"), 1)
	expect("within a synced write", last(), 1, "\x00", "c")
	expect("a synced write", s, 1, "c")
	expect("beside a synced write", s, 0, "a", "b")
	if err := f.Sync(); err != nil {
		t.Fatal(err)
	}
	expect("synced", s, 0, "b")

	mapped[0] = '1'
	s.Note()
	mapped[0] = '2'
	s.Note()
	for _, m := range []string{"1", "2"} {
		if seen := outcomes(t, s, 4096); !seen[m] {
			t.Errorf("mapped: never %q: %v", m, seen)
		}
	}
	if got := read(t, s.KillAs(func(int) int { return 0 }), 4096); got != "2" {
		t.Errorf("killed: %q is mapped", got)
	}

	if err := s.Remove(); err != nil {
		t.Fatal(err)
	}
	expect("within remove", last(), 0, "b", "none")
	if _, err := s.Copy().Open(); err != fs.ErrNotExist {
		t.Errorf("removed: %v", err)
	}
}
