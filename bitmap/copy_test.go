package bitmap

import (
	"testing"

	"github.com/bits-and-blooms/bitset"
)

func TestSnapshotIsACopy(t *testing.T) {
	m := New(100)
	m.Set(90, 100)
	s := m.Snapshot()
	m.Set(0, 50)
	s.Set(60)
	if s.Len() != 100 || s.Count() != 11 || m.Count() != 60 || m.Test(60) {
		t.Errorf("snapshot %d of %d bits, map %d", s.Count(), s.Len(), m.Count())
	}
}

func TestLoad(t *testing.T) {
	m := New(100)
	m.Set(0, 10)
	if err := m.Load(bitset.New(100).Set(99)); err != nil {
		t.Fatal(err)
	}
	if m.Count() != 1 || !m.Test(99) {
		t.Errorf("%d bits after Load", m.Count())
	}
	stray := bitset.FromWithLength(100, []uint64{0, 1 << 36})
	for name, s := range map[string]*bitset.BitSet{
		"shorter":         bitset.New(99),
		"longer":          bitset.New(101),
		"a word longer":   bitset.New(129),
		"bit past length": stray,
	} {
		if err := m.Load(s); err == nil {
			t.Errorf("%s: no error", name)
		}
		if m.Count() != 1 {
			t.Errorf("%s: the map changed", name)
		}
	}
}
