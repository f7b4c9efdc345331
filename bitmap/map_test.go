package bitmap

import "testing"

func TestWords(t *testing.T) {
	for n, want := range map[uint64]int{
		0: 0, 1: 1, 63: 1, 64: 1, 65: 2, 128: 2, 129: 3,
		1<<36 - 1: 1 << 30,
	} {
		if got := Words(n); got != want {
			t.Errorf("Words(%d) is %d, want %d", n, got, want)
		}
	}
}

func TestOver(t *testing.T) {
	const all = ^uint64(0)
	for _, c := range []struct {
		name  string
		words []uint64
		n     uint64
		count uint64 // of set bits
		ok    bool
	}{
		{"nothing", nil, 0, 0, true},
		{"words without bits", []uint64{0}, 0, 0, false},
		{"bits without words", nil, 1, 0, false},
		{"whole words", []uint64{all, all}, 128, 128, true},
		{"one word too many", []uint64{all, 0}, 64, 0, false},
		{"one word too few", []uint64{all}, 65, 0, false},
		{"partial word", []uint64{all, 0b11}, 66, 66, true},
		{"bit at the end", []uint64{0, 0b100}, 66, 0, false},
		{"top bit", []uint64{0, 1 << 63}, 127, 0, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			m, err := Over(c.words, c.n)
			if (err == nil) != c.ok {
				t.Fatalf("error %v, want ok %v", err, c.ok)
			}
			if err != nil {
				return
			}
			if m.Len() != c.n || m.Count() != c.count {
				t.Errorf("%d of %d bits, want %d of %d", m.Count(), m.Len(), c.count, c.n)
			}
		})
	}
}

// TestOverShares checks that two maps over the same words are one map.
func TestOverShares(t *testing.T) {
	words := make([]uint64, 2)
	a, _ := Over(words, 100)
	b, _ := Over(words, 100)
	a.Set(60, 70)
	if got := b.Set(65, 75); got != 5 {
		t.Errorf("the second map added %d bits, want 5", got)
	}
	if a.Count() != 15 || words[0] != 0xf<<60 || a.Word(1) != 1<<11-1 {
		t.Errorf("%d bits, words %x", a.Count(), words)
	}
	if &a.Words()[0] != &words[0] {
		t.Error("Words is a copy")
	}
}

// TestStrayBits writes past the end behind the map's back: nobody is to see it.
func TestStrayBits(t *testing.T) {
	words := make([]uint64, 1)
	m, _ := Over(words, 10)
	words[0] = 1<<64 - 1<<10
	if m.Count() != 0 || m.AnySet(0, 10) || m.Snapshot().Any() {
		t.Error("bits past the end are counted")
	}
	if i, ok := m.NextSet(0, 10); ok {
		t.Errorf("NextSet found bit %d", i)
	}
	if b := m.AppendBinary(nil); b[1] != 0 || b[7] != 0 {
		t.Errorf("binary form % x", b)
	}
}
