package bitmap

import (
	"bytes"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

func TestBinary(t *testing.T) {
	m := New(66)
	m.Set(0, 4)
	m.Set(63, 66)
	want := []byte{
		0x0f, 0, 0, 0, 0, 0, 0, 0x80,
		0x03, 0, 0, 0, 0, 0, 0, 0,
	}
	if got := m.AppendBinary([]byte("before")); !bytes.Equal(got, append([]byte("before"), want...)) {
		t.Errorf("got % x", got)
	}
	for name, b := range map[string][]byte{
		"empty":            nil,
		"a byte short":     want[:15],
		"a word long":      append(slices.Clone(want), make([]byte, 8)...),
		"bit past the end": append(slices.Clone(want[:8]), 0x07, 0, 0, 0, 0, 0, 0, 0),
	} {
		if err := m.LoadBinary(b); err == nil {
			t.Errorf("%s: no error", name)
		}
		if m.Count() != 7 {
			t.Errorf("%s: the map changed", name)
		}
	}
}

func TestDelta(t *testing.T) {
	from := []uint64{1, 2, 3, 4, 5, 6}
	to := []uint64{1, 0, 0, 4, 5, 7}
	want := []byte{
		1, 0, 0, 0, 2, 0, 0, 0, // words 1 and 2
		2, 0, 0, 0, 0, 0, 0, 0,
		3, 0, 0, 0, 0, 0, 0, 0,
		5, 0, 0, 0, 1, 0, 0, 0, // word 5
		1, 0, 0, 0, 0, 0, 0, 0,
	}
	b := AppendDelta(nil, from, to)
	if !bytes.Equal(b, want) {
		t.Errorf("got % x", b)
	}
	if got := AppendDelta(nil, to, to); got != nil {
		t.Errorf("equal maps have the delta % x", got)
	}
	for name, bad := range map[string][]byte{
		"cut in a header":   want[:4],
		"cut in a run":      want[:20],
		"cut between words": want[:16],
		"empty run":         {0, 0, 0, 0, 0, 0, 0, 0},
		"past the end":      {6, 0, 0, 0, 1, 0, 0, 0, 1, 1, 1, 1, 1, 1, 1, 1},
		"huge count":        {0, 0, 0, 0, 255, 255, 255, 255, 1, 1, 1, 1, 1, 1, 1, 1},
		"descending":        slices.Concat(want[24:], want[:24]),
		"twice":             slices.Concat(want, want),
	} {
		words := slices.Clone(from)
		if err := ApplyDelta(words, bad); err == nil {
			t.Errorf("%s: no error", name)
		}
		if !slices.Equal(words, from) {
			t.Errorf("%s: the words changed", name)
		}
	}
}

func TestDeltaModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(0, 40).Draw(t, "words")
		word := rapid.SampledFrom([]uint64{0, 0, 0, 1, ^uint64(0)})
		from := rapid.SliceOfN(word, n, n).Draw(t, "from")
		to := rapid.SliceOfN(word, n, n).Draw(t, "to")
		b := AppendDelta(nil, from, to)
		if err := ApplyDelta(from, b); err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(from, to) {
			t.Fatalf("got %x, want %x", from, to)
		}
	})
}

func FuzzLoadBinary(f *testing.F) {
	f.Add(uint16(66), make([]byte, 16))
	f.Fuzz(func(t *testing.T, n uint16, b []byte) {
		m := New(uint64(n))
		if m.LoadBinary(b) != nil {
			if m.Count() != 0 {
				t.Error("a refused form changed the map")
			}
			return
		}
		if got := m.AppendBinary(nil); !bytes.Equal(got, b) {
			t.Errorf("read % x, wrote % x", b, got)
		}
	})
}

func FuzzApplyDelta(f *testing.F) {
	f.Add(uint16(3), AppendDelta(nil, []uint64{1, 2, 3}, []uint64{0, 2, 4}))
	f.Fuzz(func(t *testing.T, n uint16, b []byte) {
		words, zero := make([]uint64, n), make([]uint64, n)
		if ApplyDelta(words, b) != nil {
			if !slices.Equal(words, zero) {
				t.Error("a refused delta changed the words")
			}
			return
		}
		again := make([]uint64, n)
		if err := ApplyDelta(again, AppendDelta(nil, zero, words)); err != nil || !slices.Equal(again, words) {
			t.Errorf("a second delta gives %x, want %x (%v)", again, words, err)
		}
	})
}

// FuzzDelta: a delta turns the one into the other and back, and is as short as it can be told.
func FuzzDelta(f *testing.F) {
	f.Add([]byte{1, 0, 0, 2}, []byte{1, 1, 0, 3})
	f.Add([]byte{}, []byte{0, 0, 7})
	f.Fuzz(func(t *testing.T, a, b []byte) {
		n := max(len(a), len(b))
		from, to := make([]uint64, n), make([]uint64, n)
		differ := 0
		for i := range n {
			if i < len(a) {
				from[i] = uint64(a[i]) << 56
			}
			if i < len(b) {
				to[i] = uint64(b[i]) << 56
			}
			if from[i] != to[i] {
				differ++
			}
		}
		delta := AppendDelta(nil, from, to)
		if len(delta) < 8*differ || len(delta) > 16*differ {
			t.Fatalf("%d bytes for %d words that differ", len(delta), differ)
		}
		got := slices.Clone(from)
		if err := ApplyDelta(got, delta); err != nil || !slices.Equal(got, to) {
			t.Fatalf("%x to %x by % x: %x, %v", from, to, delta, got, err)
		}
		if err := ApplyDelta(got, delta); err != nil || !slices.Equal(got, from) {
			t.Fatalf("and back: %x, %v", got, err)
		}
	})
}
