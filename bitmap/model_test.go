package bitmap

import (
	"testing"

	"github.com/bits-and-blooms/bitset"
	"pgregory.net/rapid"
)

// TestModel does the same random operations to a Map and to a bitset.BitSet, one bit at a time.
func TestModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.Uint64Range(0, 300).Draw(t, "n")
		m, model := New(n), bitset.New(uint(n))
		span := func(t *rapid.T) (lo, hi uint64) {
			lo = rapid.Uint64Range(0, n).Draw(t, "lo")
			return lo, rapid.Uint64Range(lo, n).Draw(t, "hi")
		}
		count := func(lo, hi uint64) (c uint64) {
			for i := lo; i < hi; i++ {
				if model.Test(uint(i)) {
					c++
				}
			}
			return c
		}
		t.Repeat(map[string]func(*rapid.T){
			"set": func(t *rapid.T) {
				lo, hi := span(t)
				want := hi - lo - count(lo, hi)
				for i := lo; i < hi; i++ {
					model.Set(uint(i))
				}
				same(t, "Set", m.Set(lo, hi), want)
			},
			"clear": func(t *rapid.T) {
				lo, hi := span(t)
				want := count(lo, hi)
				for i := lo; i < hi; i++ {
					model.Clear(uint(i))
				}
				same(t, "Clear", m.Clear(lo, hi), want)
			},
			"ask": func(t *rapid.T) {
				lo, hi := span(t)
				c := count(lo, hi)
				same(t, "CountRange", m.CountRange(lo, hi), c)
				same(t, "AllSet", m.AllSet(lo, hi), c == hi-lo)
				same(t, "AnySet", m.AnySet(lo, hi), c > 0)
			},
			"next": func(t *rapid.T) {
				from, limit := span(t)
				set, clear := from, from
				for set < limit && !model.Test(uint(set)) {
					set++
				}
				for clear < limit && model.Test(uint(clear)) {
					clear++
				}
				got, ok := m.NextSet(from, limit)
				same(t, "NextSet", got, set)
				same(t, "NextSet's ok", ok, set < limit)
				got, ok = m.NextClear(from, limit)
				same(t, "NextClear", got, clear)
				same(t, "NextClear's ok", ok, clear < limit)
			},
			"reload": func(t *rapid.T) {
				again := New(n)
				if err := again.Load(m.Snapshot()); err != nil {
					t.Fatal(err)
				}
				m = New(n)
				if err := m.LoadBinary(again.AppendBinary(nil)); err != nil {
					t.Fatal(err)
				}
			},
			"": func(t *rapid.T) {
				if s := m.Snapshot(); !s.Equal(model) {
					t.Fatalf("map %v, model %v", s, model)
				}
			},
		})
	})
}

func same[T comparable](t *rapid.T, what string, got, want T) {
	t.Helper()
	if got != want {
		t.Fatalf("%s is %v, want %v", what, got, want)
	}
}
