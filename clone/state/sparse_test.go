package state

import (
	"math/rand/v2"
	"slices"
	"testing"
)

// sparse holds what is put into it, and gives up the memory of what is all alike.
func TestSparse(t *testing.T) {
	for _, n := range []int{0, 1, partWords - 1, partWords, partWords + 1, 5*partWords + 7} {
		s, want := newSparse(n), make([]uint64, n)
		r := rand.New(rand.NewPCG(8, uint64(n)))
		for range 4 * n {
			lo := r.IntN(n)
			hi := min(lo+1+r.IntN(2*partWords), n)
			for i := lo; i < hi; i++ {
				w := [...]uint64{0, ^uint64(0), r.Uint64()}[min(r.IntN(40), 2)]
				if hi-lo > partWords {
					w = ^uint64(0) * uint64(lo%2)
				}
				s.set(i, w)
				want[i] = w
			}
			s.tidy(lo, hi)
			if r.IntN(20) == 0 && !slices.Equal(s.all(), want) {
				t.Fatalf("%d words: others than were put in", n)
			}
		}
		if !slices.Equal(s.all(), want) {
			t.Errorf("%d words: others than were put in", n)
		}
		for i := range n {
			s.set(i, ^uint64(0))
		}
		s.tidy(0, n)
		if n%partWords == 0 && slices.ContainsFunc(s.parts, func(p *wordPart) bool { return p != onesPart }) {
			t.Errorf("%d words of ones take memory", n)
		}
		for i := range n {
			s.set(i, 0)
		}
		s.tidy(0, n)
		if slices.ContainsFunc(s.parts, func(p *wordPart) bool { return p != zeroPart }) {
			t.Errorf("%d words of zeros take memory", n)
		}
	}
	for i := range partWords {
		if zeroPart[i] != 0 || onesPart[i] != ^uint64(0) {
			t.Fatal("what all share was written to")
		}
	}
}
