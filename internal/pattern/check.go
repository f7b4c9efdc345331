package pattern

import (
	"bytes"
	"encoding/binary"
	"fmt"
)

// Check compares p with the content at off. The error names the first offset that differs, and
// what the bytes there are instead, as far as that can be told.
func (b Blob) Check(p []byte, off int64) error {
	want := make([]byte, min(len(p), 64<<10))
	for len(p) > 0 {
		n := min(len(p), len(want))
		b.Fill(want[:n], off)
		if !bytes.Equal(p[:n], want[:n]) {
			i := firstDifference(p[:n], want[:n])
			return fmt.Errorf("offset %d: got %#02x, want %#02x: %s",
				off+int64(i), p[i], want[i], b.describe(p, i))
		}
		p, off = p[n:], off+int64(n)
	}
	return nil
}

func firstDifference(p, q []byte) int {
	for i := range p {
		if p[i] != q[i] {
			return i
		}
	}
	return len(p)
}

// describe says what stands at p[i]: zeros, or the content of another offset. Content that was
// moved may have been moved by any number of bytes, so every alignment is tried.
func (b Blob) describe(p []byte, i int) string {
	for at := max(i-7, 0); at <= i+7 && at+8 <= len(p); at++ {
		word := binary.LittleEndian.Uint64(p[at:])
		if word == 0 {
			return "zeros stand there"
		}
		// Only a small index is a find: every word is some offset's.
		if from := (unmix(word) - b.Seed) * goldenInverse; from < 1<<45 {
			return fmt.Sprintf("the bytes of offset %d stand there", int64(from)*8-int64(at-i))
		}
	}
	return "foreign bytes stand there"
}
