package bitmap

import (
	"fmt"
	"math/bits"
	"sync/atomic"
)

// A range [lo, hi) touches the words lo/64 … (hi-1)/64. Every method here walks them with
//
//	for w := lo / wordBits; w*wordBits < hi; w++ { … mask(w, lo, hi) … }
//
// and mask cuts the first and the last of them to size:
//
//	word      0                 1                 2
//	        |.......########|################|####............|
//	               lo                             hi

// mask returns the bits of word w that lie in [lo, hi). The range must touch the word.
func mask(w, lo, hi uint64) uint64 {
	m := ^uint64(0)
	if w == lo/wordBits {
		m <<= lo % wordBits
	}
	if last := hi - 1; w == last/wordBits {
		m &= ^uint64(0) >> (wordBits - 1 - last%wordBits)
	}
	return m
}

// check panics unless [lo, hi) is a range of the map. It may be empty.
func (m *Map) check(lo, hi uint64) {
	if lo > hi || hi > m.n {
		panic(fmt.Sprintf("bitmap: range [%d, %d) in a map of %d bits", lo, hi, m.n))
	}
}

// Test reports whether bit i is set.
func (m *Map) Test(i uint64) bool {
	if i >= m.n {
		panic(fmt.Sprintf("bitmap: bit %d in a map of %d bits", i, m.n))
	}
	return atomic.LoadUint64(&m.words[i/wordBits])>>(i%wordBits)&1 != 0
}

// AllSet reports whether every bit of [lo, hi) is set. An empty range is.
func (m *Map) AllSet(lo, hi uint64) bool {
	m.check(lo, hi)
	for w := lo / wordBits; w*wordBits < hi; w++ {
		if k := mask(w, lo, hi); atomic.LoadUint64(&m.words[w])&k != k {
			return false
		}
	}
	return true
}

// AnySet reports whether some bit of [lo, hi) is set. In an empty range none is.
func (m *Map) AnySet(lo, hi uint64) bool {
	m.check(lo, hi)
	for w := lo / wordBits; w*wordBits < hi; w++ {
		if atomic.LoadUint64(&m.words[w])&mask(w, lo, hi) != 0 {
			return true
		}
	}
	return false
}

// Set sets every bit of [lo, hi) and returns how many of them were clear until this call: of two
// callers at the same time exactly one is told of each bit. Words that need no change are not
// written, which spares their cache lines, and their pages where the memory is a file.
func (m *Map) Set(lo, hi uint64) (added uint64) {
	m.check(lo, hi)
	for w := lo / wordBits; w*wordBits < hi; w++ {
		k := mask(w, lo, hi)
		if atomic.LoadUint64(&m.words[w])&k == k {
			continue
		}
		old := atomic.OrUint64(&m.words[w], k)
		added += uint64(bits.OnesCount64(k &^ old))
	}
	return added
}

// Clear clears every bit of [lo, hi) and returns how many of them were set until this call, on the
// same terms as Set.
func (m *Map) Clear(lo, hi uint64) (removed uint64) {
	m.check(lo, hi)
	for w := lo / wordBits; w*wordBits < hi; w++ {
		k := mask(w, lo, hi)
		if atomic.LoadUint64(&m.words[w])&k == 0 {
			continue
		}
		old := atomic.AndUint64(&m.words[w], ^k)
		removed += uint64(bits.OnesCount64(k & old))
	}
	return removed
}

// Count returns how many bits are set.
func (m *Map) Count() uint64 { return m.CountRange(0, m.n) }

// CountRange returns how many bits of [lo, hi) are set.
func (m *Map) CountRange(lo, hi uint64) uint64 {
	m.check(lo, hi)
	var c uint64
	for w := lo / wordBits; w*wordBits < hi; w++ {
		c += uint64(bits.OnesCount64(atomic.LoadUint64(&m.words[w]) & mask(w, lo, hi)))
	}
	return c
}
