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
	d := DeltaWriter{B: b}
	for i := range from {
		d.Add(i, from[i]^to[i])
	}
	return d.B
}

// DeltaWriter appends the words of a delta one by one. Its zero value begins with an empty B.
type DeltaWriter struct {
	B     []byte
	run   int // where in B the header of the current run is
	words int // of that run; 0: there is none
	next  int // the word that would continue it
}

// Add says that word i differs by xor. The words come in ascending order; those that do not differ
// may be left out.
func (d *DeltaWriter) Add(i int, xor uint64) {
	if xor == 0 {
		return
	}
	if d.words == 0 || i != d.next {
		d.run, d.words = len(d.B), 0
		d.B = binary.LittleEndian.AppendUint32(d.B, uint32(i))
		d.B = binary.LittleEndian.AppendUint32(d.B, 0)
	}
	d.B = binary.LittleEndian.AppendUint64(d.B, xor)
	d.words, d.next = d.words+1, i+1
	binary.LittleEndian.PutUint32(d.B[d.run+4:], uint32(d.words))
}

// ApplyDelta changes words, a private copy, by the delta b. It is an error, and nothing is
// changed, when b is not a delta of so many words. Words know no bit length: Over, or LoadBinary,
// refuses what a wrong delta set past the end.
func ApplyDelta(words []uint64, b []byte) error {
	return EachDelta(len(words), b, func(i int, xor uint64) { words[i] ^= xor })
}

// EachDelta calls f for each word that the delta b changes, ascending, with what it differs by. It is
// an error, and f is not called, when b is not a delta of so many words.
func EachDelta(words int, b []byte, f func(i int, xor uint64)) error {
	if err := checkDelta(words, b); err != nil {
		return err
	}
	for len(b) > 0 {
		at, count, xor := cutRun(b)
		for i := range count {
			f(at+i, binary.LittleEndian.Uint64(xor[i*8:]))
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
