package state

import (
	"reflect"
	"testing"

	"hydrant/clone/trace"
)

func someTraces() (recorded, given *trace.Trace) {
	recorded = &trace.Trace{Size: 1 << 20, Runs: 1, Ranges: []trace.Range{{Off: 0, Len: 4096, Seen: 1}, {Off: 65536, Len: 512, Seen: 1}}}
	given = &trace.Trace{Size: 1 << 20, Runs: 2, Ranges: []trace.Range{{Off: 4096, Len: 4096, Seen: 2}}}
	return recorded, given
}

// Traces lie behind everything else, and a file is whole with both, one or none of them.
func TestTracesOfAStateFile(t *testing.T) {
	sb := someSuperblock()
	s := &MemoryStore{}
	if err := s.Create(func(f File) error { return Format(f, sb) }); err != nil {
		t.Fatal(err)
	}
	before := s.Image()
	f, err := s.Open()
	if err != nil {
		t.Fatal(err)
	}
	lay, err := NewLayout(sb.Size, sb.RegionSize)
	if err != nil {
		t.Fatal(err)
	}
	recorded, given := someTraces()
	for _, step := range []struct {
		write               TraceSlot
		t                   *trace.Trace
		wantRecord, wantGiv *trace.Trace
	}{
		{Given, given, nil, given},
		{Recorded, recorded, recorded, given},
		{Recorded, given, given, given}, // shorter than what was there
	} {
		if err := WriteTrace(f, lay, step.write, step.t); err != nil {
			t.Fatal(err)
		}
		for slot, want := range map[TraceSlot]*trace.Trace{Recorded: step.wantRecord, Given: step.wantGiv} {
			if got := ReadTrace(f, lay, slot); !reflect.DeepEqual(got, want) {
				t.Errorf("slot %d: got %v, want %v", slot, got, want)
			}
		}
		if _, err := Load(f); err != nil {
			t.Error(err)
		}
	}
	after := s.Image()
	if !reflect.DeepEqual(after[:len(before)], before) {
		t.Error("a trace was written over something else")
	}
	// Any end of it may be missing, and any byte of it be another.
	for n := len(before); n < len(after); n += 7 {
		img := append([]byte(nil), after...)
		img[n] ^= 0x40
		for _, img := range [][]byte{after[:n], img} {
			var s MemoryStore
			s.SetImage(img)
			f, err := s.Open()
			if err != nil {
				t.Fatal(err)
			}
			if _, err := Load(f); err != nil {
				t.Fatalf("%d bytes: %v", n, err)
			}
			for slot := range numTraces {
				if got := ReadTrace(f, lay, slot); got != nil && !reflect.DeepEqual(got, given) {
					t.Fatalf("%d bytes: slot %d has %v", n, slot, got)
				}
			}
		}
	}
	// Beyond them there is nothing that is ours.
	var long MemoryStore
	long.SetImage(append(append([]byte(nil), before...), make([]byte, TraceRoom+1)...))
	if f, err = long.Open(); err != nil {
		t.Fatal(err)
	}
	if _, err := Load(f); err == nil {
		t.Error("a file that is too long was taken")
	}
	// A file that was cut is not made long again: its maps would be zeros.
	var short MemoryStore
	short.SetImage(before[:len(before)-1])
	if f, err = short.Open(); err != nil {
		t.Fatal(err)
	}
	if err := WriteTrace(f, lay, Recorded, recorded); err == nil {
		t.Error("a trace was written behind the end of a file that was cut")
	}
	if size, _ := f.Size(); size != int64(len(before))-1 {
		t.Errorf("it has %d bytes now", size)
	}
}
