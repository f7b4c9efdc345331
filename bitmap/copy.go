package bitmap

import (
	"fmt"
	"sync/atomic"

	"github.com/bits-and-blooms/bitset"
)

// Snapshot returns a copy of the map with Len bits. Each word is as it was at one moment; two
// words may be from different moments.
func (m *Map) Snapshot() *bitset.BitSet {
	words := make([]uint64, len(m.words))
	for i := range words {
		words[i] = m.Word(i)
	}
	if len(words) > 0 {
		words[len(words)-1] &= tailMask(m.n)
	}
	return bitset.FromWithLength(uint(m.n), words)
}

// Load replaces the content by s, word by word. It is an error, and nothing is replaced, when s
// has another length or a bit past it.
func (m *Map) Load(s *bitset.BitSet) error {
	if uint64(s.Len()) != m.n {
		return fmt.Errorf("bitmap: a set of %d bits for a map of %d", s.Len(), m.n)
	}
	return m.load(s.Words())
}

// load replaces the content by words, once they are known to be a map's.
func (m *Map) load(words []uint64) error {
	if err := checkCount(len(words), m.n); err != nil {
		return err
	}
	if len(words) > 0 {
		if err := checkTail(words[len(words)-1], m.n); err != nil {
			return err
		}
	}
	for i, v := range words {
		atomic.StoreUint64(&m.words[i], v)
	}
	return nil
}
