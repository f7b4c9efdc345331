package bitmap

import (
	"encoding/binary"
	"fmt"
)

// A delta is the XOR of two maps of the same length, as runs of words that differ:
//
//	offset  size   field
//	0       4      index of the run's first word
//	4       4      count of words in the run, at least 1
//	8       8·c    the XOR of each word
//
// all little-endian, the runs ascending and apart, one after the other up to the end. Equal maps
// have the empty delta. XOR and not the new words, because a bit may be cleared as well as set, and
// because whoever writes the delta has the difference at hand.
const runHeader = 8

// AppendDelta appends to b the delta that turns from into to. The two are private copies of equal
// length, below 2^32 words; they are not read atomically.
func AppendDelta(b []byte, from, to []uint64) []byte {
	if len(from) != len(to) {
		panic(fmt.Sprintf("bitmap: delta of %d words and %d", len(from), len(to)))
	}
	for i := 0; i < len(from); {
		if from[i] == to[i] {
			i++
			continue
		}
		end := i + 1
		for end < len(from) && from[end] != to[end] {
			end++
		}
		b = binary.LittleEndian.AppendUint32(b, uint32(i))
		b = binary.LittleEndian.AppendUint32(b, uint32(end-i))
		for ; i < end; i++ {
			b = binary.LittleEndian.AppendUint64(b, from[i]^to[i])
		}
	}
	return b
}

// ApplyDelta changes words, a private copy, by the delta b. It is an error, and nothing is
// changed, when b is not a delta of so many words. Words know no bit length: Over, or LoadBinary,
// refuses what a wrong delta set past the end.
func ApplyDelta(words []uint64, b []byte) error {
	if err := checkDelta(len(words), b); err != nil {
		return err
	}
	for len(b) > 0 {
		at, count, xor := cutRun(b)
		for i := range count {
			words[at+i] ^= binary.LittleEndian.Uint64(xor[i*8:])
		}
		b = xor[count*8:]
	}
	return nil
}

// checkDelta reports why b is not a delta of so many words, nil when it is.
func checkDelta(words int, b []byte) error {
	next := uint64(0) // first word a run may begin at
	for rest := b; len(rest) > 0; {
		if len(rest) < runHeader {
			return fmt.Errorf("bitmap: delta cut short in a run's header at byte %d", len(b)-len(rest))
		}
		at := uint64(binary.LittleEndian.Uint32(rest))
		count := uint64(binary.LittleEndian.Uint32(rest[4:]))
		switch {
		case count == 0:
			return fmt.Errorf("bitmap: delta has an empty run at word %d", at)
		case at < next:
			return fmt.Errorf("bitmap: delta has a run at word %d where %d is the first possible", at, next)
		case at+count > uint64(words):
			return fmt.Errorf("bitmap: delta changes words [%d, %d) of %d", at, at+count, words)
		case count*8 > uint64(len(rest)-runHeader):
			return fmt.Errorf("bitmap: delta cut short in the run at word %d", at)
		}
		rest = rest[runHeader+count*8:]
		next = at + count + 1
	}
	return nil
}

// cutRun takes the header off a delta that was checked.
func cutRun(b []byte) (at, count int, rest []byte) {
	return int(binary.LittleEndian.Uint32(b)), int(binary.LittleEndian.Uint32(b[4:])), b[runHeader:]
}
