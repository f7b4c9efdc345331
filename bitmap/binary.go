package bitmap

import (
	"encoding/binary"
	"fmt"
)

// The binary form of a map of n bits is its Words(n) words, little-endian, and nothing else. The
// length of the map is known to whoever stores it.

// AppendBinary appends the binary form to b. Each word is as it was at one moment.
func (m *Map) AppendBinary(b []byte) []byte {
	for i := range m.words {
		v := m.Word(i)
		if i == len(m.words)-1 {
			v &= tailMask(m.n)
		}
		b = binary.LittleEndian.AppendUint64(b, v)
	}
	return b
}

// LoadBinary replaces the content by a binary form. It is an error, and nothing is replaced, when
// b has another length than such a map's or a bit past the map's end is set.
func (m *Map) LoadBinary(b []byte) error {
	if len(b) != len(m.words)*8 {
		return fmt.Errorf("bitmap: %d bytes for %d bits, which take %d", len(b), m.n, len(m.words)*8)
	}
	words := make([]uint64, len(m.words))
	for i := range words {
		words[i] = binary.LittleEndian.Uint64(b[i*8:])
	}
	return m.load(words)
}
