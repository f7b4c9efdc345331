package bitmap

import "testing"

func TestNext(t *testing.T) {
	//	word      0                 1                 2
	//	        |....##......####|################|####....|
	//	             8 16    48                    144  160
	m := New(160)
	m.Set(8, 16)
	m.Set(48, 144)
	for _, c := range []struct {
		from, limit      uint64
		set, clear       uint64
		hasSet, hasClear bool
	}{
		{0, 160, 8, 0, true, true},
		{8, 160, 8, 16, true, true},
		{15, 160, 15, 16, true, true},
		{16, 160, 48, 16, true, true},
		{16, 48, 48, 16, false, true},
		{16, 49, 48, 16, true, true},
		{48, 160, 48, 144, true, true},
		{48, 144, 48, 144, true, false},
		{48, 145, 48, 144, true, true},
		{100, 101, 100, 101, true, false},
		{144, 160, 160, 144, false, true},
		{160, 160, 160, 160, false, false},
		{99, 50, 50, 50, false, false},
		{1000, 160, 160, 160, false, false},
	} {
		if i, ok := m.NextSet(c.from, c.limit); i != c.set || ok != c.hasSet {
			t.Errorf("NextSet(%d, %d) is %d, %v, want %d, %v", c.from, c.limit, i, ok, c.set, c.hasSet)
		}
		if i, ok := m.NextClear(c.from, c.limit); i != c.clear || ok != c.hasClear {
			t.Errorf("NextClear(%d, %d) is %d, %v, want %d, %v", c.from, c.limit, i, ok, c.clear, c.hasClear)
		}
	}
}

// TestNextEverywhere puts one odd bit at each place and looks for it from each place.
func TestNextEverywhere(t *testing.T) {
	const n = 130
	for bit := range uint64(n) {
		one, hole := New(n), New(n)
		one.Set(bit, bit+1)
		hole.Set(0, n)
		hole.Clear(bit, bit+1)
		for from := range uint64(n + 1) {
			i, ok := one.NextSet(from, n)
			j, holeOK := hole.NextClear(from, n)
			if i != j || ok != holeOK || ok != (from <= bit) || ok && i != bit {
				t.Fatalf("bit %d from %d: set %d, %v, clear %d, %v", bit, from, i, ok, j, holeOK)
			}
		}
	}
}
