package bitmap

import (
	"math/bits"
	"sync/atomic"
)

// NextSet returns the first set bit of [from, limit), and whether there is one. Without one the
// position is limit. A from at or past limit finds nothing, so that a scan may end with a step
// beyond it; limit itself must be within the map.
func (m *Map) NextSet(from, limit uint64) (uint64, bool) { return m.next(from, limit, 0) }

// NextClear returns the first clear bit of [from, limit), on the same terms as NextSet.
func (m *Map) NextClear(from, limit uint64) (uint64, bool) { return m.next(from, limit, ^uint64(0)) }

// next finds the first bit of [from, limit) that is set after the words are flipped by flip.
func (m *Map) next(from, limit, flip uint64) (uint64, bool) {
	m.check(min(from, limit), limit)
	if from >= limit {
		return limit, false
	}
	for w := from / wordBits; w*wordBits < limit; w++ {
		v := (atomic.LoadUint64(&m.words[w]) ^ flip) & mask(w, from, limit)
		if v != 0 {
			return w*wordBits + uint64(bits.TrailingZeros64(v)), true
		}
	}
	return limit, false
}
