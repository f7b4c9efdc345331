package clone

import (
	"fmt"
	"strings"
	"sync"
	"testing"

	"hydrant/clone/state"
)

// story is what has happened to a machine, for people. With processes that do something by themselves
// no run is quite like the one before, and a failure may not come again when its seed does: so what
// happened the first time is told at once.
type story struct {
	lines []string
	told  *sync.Once
	to    *testing.T
}

// note adds to the story, with the maps as they are now.
func (s *machine) note(format string, args ...any) {
	s.story.lines = append(s.story.lines, fmt.Sprintf(format, args...)+"; "+s.maps())
}

// wrong ends the run.
func (s *machine) wrong(format string, args ...any) {
	why := fmt.Sprintf(format, args...)
	s.story.told.Do(func() {
		s.story.to.Logf("the story of the first failure:\n%s\n%s", strings.Join(s.story.lines, "\n"), why)
	})
	s.t.Fatal(why)
}

// maps is the state file in words: phase, mode, what is hydrated and written, and what of that is
// durable.
func (s *machine) maps() string {
	var store state.MemoryStore
	store.SetImage(s.store.Image())
	f, err := store.Open()
	if err != nil {
		return "no state file"
	}
	st, err := state.Load(f)
	if err != nil {
		return err.Error()
	}
	bits := func(words []uint64) string {
		var b strings.Builder
		for r := range st.Layout.Regions {
			b.WriteByte('0' + byte(words[r/64]>>(r%64)&1))
		}
		return b.String()
	}
	now := st.Snapshot()
	text := fmt.Sprintf("%v, mode %d, %d bytes, h %s w %s first %x", st.Super.Phase, st.Head.Mode.Load(),
		len(s.disk.Image()), bits(now[state.Hydrated]), bits(now[state.Written]), st.Head.GetFirst())
	durable, err := state.OpenDurable(f, st.Layout, st.Super.UUID)
	if err != nil {
		return text + ", " + err.Error()
	}
	maps, first := durable.Maps()
	return text + fmt.Sprintf(", durable h %s w %s first %x", bits(maps[state.Hydrated]), bits(maps[state.Written]), first)
}

// differs tells the story of bytes that cannot be.
func (s *machine) differs(got []byte) {
	for i, now := range s.m.now {
		lo, hi := s.m.at[i], min(s.m.at[i+1], len(got))
		if lo >= hi || now.allows(got[lo:hi], 0) {
			continue
		}
		s.note("sector %d, from %d on, is %x…", i, lo, got[lo:min(hi, lo+16)])
		for _, v := range now.vals {
			s.note("and may be %x…, mixed %v", v[:min(len(v), 16)], now.mixed)
		}
	}
}
