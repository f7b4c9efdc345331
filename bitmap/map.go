// Package bitmap holds maps of one bit per region over 64-bit words. The words may be memory that
// other processes and C code look at, so every access to them is atomic. Copies of a map, and set
// algebra on the copies, are github.com/bits-and-blooms/bitset's.
//
//	map.go     Map and its words
//	range.go   questions about ranges, and changes to them
//	scan.go    the next set or clear bit
//	copy.go    snapshots as bitset.BitSet
//	binary.go  a whole map as bytes
//	delta.go   the difference of two maps as bytes
package bitmap

import (
	"fmt"
	"math/bits"
	"sync/atomic"
)

// wordBits is how many bits a word holds.
const wordBits = 64

// Words returns how many 64-bit words n bits take.
func Words(n uint64) int {
	w := n / wordBits
	if n%wordBits != 0 {
		w++
	}
	return int(w)
}

// Map is a set of bits numbered [0, n). All its methods may be called at the same time from many
// goroutines, and from other processes over the same memory.
//
// Reading a bit has acquire and changing one has release semantics: whoever finds a bit set also
// sees what its setter stored before it. A call that spans several words is atomic for each word
// and not for the whole. Positions out of bounds are a bug of the caller and panic.
//
// Bit i is bit i mod 64, counted from the least significant, of word i / 64. Bits at n and after
// it in the last word are never set here, and never looked at: others may write to this memory.
type Map struct {
	n     uint64
	words []uint64 // len(words) = Words(n)
}

// New returns an empty map of n bits in memory of its own.
func New(n uint64) *Map {
	return &Map{n: n, words: make([]uint64, Words(n))}
}

// Over returns a map of n bits over the caller's words, as they are. The words must stay valid and
// 8-byte aligned for as long as the map is in use. It is an error when their number is not
// Words(n), or when a bit at n or after it is set: then they are not the words of such a map.
func Over(words []uint64, n uint64) (*Map, error) {
	m := &Map{n: n, words: words}
	if err := checkCount(len(words), n); err != nil {
		return nil, err
	}
	if len(words) > 0 {
		if err := checkTail(m.Word(len(words)-1), n); err != nil {
			return nil, err
		}
	}
	return m, nil
}

// Len returns n, the number of bits, set or not.
func (m *Map) Len() uint64 { return m.n }

// Words returns the words themselves, not a copy: for C, and for copies made word by word. They
// are to be read and written atomically.
func (m *Map) Words() []uint64 { return m.words }

// Word returns word i.
func (m *Map) Word(i int) uint64 { return atomic.LoadUint64(&m.words[i]) }

// tailMask has the bits of the last word that are inside [0, n).
func tailMask(n uint64) uint64 {
	if n%wordBits == 0 {
		return ^uint64(0)
	}
	return 1<<(n%wordBits) - 1
}

func checkCount(words int, n uint64) error {
	if words != Words(n) {
		return fmt.Errorf("bitmap: %d words for %d bits, which take %d", words, n, Words(n))
	}
	return nil
}

func checkTail(last, n uint64) error {
	if stray := last &^ tailMask(n); stray != 0 {
		bit := uint64(Words(n)-1)*wordBits + uint64(bits.TrailingZeros64(stray))
		return fmt.Errorf("bitmap: bit %d is set in a map of %d bits", bit, n)
	}
	return nil
}
