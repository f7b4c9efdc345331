package bitmap

import (
	"strings"
	"testing"
)

// The pictures: a character is 8 bits, a bar stands between words, # is the range.
var ranges = []struct{ name, picture string }{
	{"empty at the start", "........|........|...."},
	{"first bits of a word", "##......|........|...."},
	{"within a word", "..###...|........|...."},
	{"last bits of a word", "......##|........|...."},
	{"a whole word", "........|########|...."},
	{"across a boundary", "......##|##......|...."},
	{"from a boundary on", "........|###.....|...."},
	{"across a whole word", "......##|########|##.."},
	{"whole words", "########|########|...."},
	{"within the last, partial word", "........|........|.##."},
	{"to the end", "........|........|..##"},
	{"the partial word", "........|........|####"},
	{"all", "########|########|####"},
}

// parse returns how many bits a picture has and the range in it.
func parse(picture string) (n, lo, hi uint64) {
	p := strings.ReplaceAll(picture, "|", "")
	if i := strings.IndexByte(p, '#'); i >= 0 {
		lo, hi = uint64(i)*8, uint64(strings.LastIndexByte(p, '#')+1)*8
	}
	return uint64(len(p)) * 8, lo, hi
}

func TestRanges(t *testing.T) {
	for _, c := range ranges {
		t.Run(c.name, func(t *testing.T) {
			n, lo, hi := parse(c.picture)
			checkRange(t, n, lo, hi)
			if lo == hi {
				return
			}
			// One bit off on either side: the pictures only show bytes.
			checkRange(t, n, lo+1, hi)
			checkRange(t, n, lo, hi-1)
			checkRange(t, n, max(lo, 1)-1, hi)
			checkRange(t, n, lo, min(hi+1, n))
		})
	}
}

// TestEveryRange is TestRanges without pictures: all ranges of maps of all interesting sizes.
func TestEveryRange(t *testing.T) {
	for _, n := range []uint64{0, 1, 2, 63, 64, 65, 127, 128, 129} {
		for lo := range n + 1 {
			for hi := lo; hi <= n; hi++ {
				checkRange(t, n, lo, hi)
			}
		}
	}
}

// checkRange holds every range method against the definition, for [lo, hi) of n bits.
func checkRange(t *testing.T, n, lo, hi uint64) {
	t.Helper()
	m := New(n)
	equal := func(what string, got, want any) {
		t.Helper()
		if got != want {
			t.Fatalf("n %d, [%d, %d): %s is %v, want %v", n, lo, hi, what, got, want)
		}
	}

	equal("AllSet of an empty map", m.AllSet(lo, hi), lo == hi)
	equal("AnySet of an empty map", m.AnySet(lo, hi), false)
	equal("Set", m.Set(lo, hi), hi-lo)
	equal("Set again", m.Set(lo, hi), uint64(0))
	equal("AllSet", m.AllSet(lo, hi), true)
	equal("AnySet", m.AnySet(lo, hi), lo != hi)
	equal("Count", m.Count(), hi-lo)
	for i := range n {
		if m.Test(i) != (i >= lo && i < hi) {
			t.Fatalf("n %d, [%d, %d) set: bit %d is %v", n, lo, hi, i, m.Test(i))
		}
	}
	if lo > 0 {
		equal("AllSet with one before", m.AllSet(lo-1, hi), false)
		equal("AnySet before", m.AnySet(0, lo), false)
	}
	if hi < n {
		equal("AllSet with one after", m.AllSet(lo, hi+1), false)
		equal("AnySet after", m.AnySet(hi, n), false)
	}

	equal("Set of all", m.Set(0, n), n-(hi-lo))
	equal("Clear", m.Clear(lo, hi), hi-lo)
	equal("Clear again", m.Clear(lo, hi), uint64(0))
	equal("Count after Clear", m.Count(), n-(hi-lo))
	equal("CountRange", m.CountRange(lo, hi), uint64(0))
	equal("CountRange before", m.CountRange(0, lo), lo)
	equal("CountRange after", m.CountRange(hi, n), n-hi)
}

func TestOutOfBounds(t *testing.T) {
	m := New(70)
	for name, f := range map[string]func(){
		"Test":          func() { m.Test(70) },
		"Set":           func() { m.Set(69, 71) },
		"Set reversed":  func() { m.Set(5, 4) },
		"Set overflow":  func() { m.Set(0, ^uint64(0)) },
		"Clear":         func() { m.Clear(71, 71) },
		"AllSet":        func() { m.AllSet(0, 128) },
		"AnySet":        func() { m.AnySet(0, 128) },
		"CountRange":    func() { m.CountRange(0, 128) },
		"NextSet":       func() { m.NextSet(0, 71) },
		"NextClear":     func() { m.NextClear(0, 71) },
		"empty map":     func() { New(0).Test(0) },
		"delta lengths": func() { AppendDelta(nil, make([]uint64, 1), nil) },
	} {
		t.Run(name, func(t *testing.T) {
			defer func() {
				if recover() == nil {
					t.Error("no panic")
				}
			}()
			f()
		})
	}
}
