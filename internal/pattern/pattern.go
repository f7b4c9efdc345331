// Package pattern makes the content of test blobs out of nothing but a seed and an offset. No
// blob is ever stored, so a test can have a source of 100 GiB and still compare every byte.
package pattern

import (
	"encoding/binary"
	"io"
)

// Blob is endless content: the word of 8 bytes at offset 8·i is a hash of (Seed, i). Blobs with
// equal fields have equal content, on every machine and in every release. Safe for concurrent use.
type Blob struct {
	// Seed chooses the content.
	Seed uint64
	// ZeroEvery makes about one in so many runs all zeros. 0 makes none, 1 makes all.
	ZeroEvery uint64
	// ZeroRun is the length of such a run in bytes, a multiple of 8. 0 means 64 KiB.
	ZeroRun int64
}

const defaultZeroRun = 64 << 10

// Fill sets p to the content at off ≥ 0.
func (b Blob) Fill(p []byte, off int64) {
	for len(p) > 0 {
		n := min(b.runLen()-off%b.runLen(), int64(len(p)))
		if b.IsZero(off) {
			clear(p[:n])
		} else {
			b.fillWords(p[:n], off)
		}
		p, off = p[n:], off+n
	}
}

// Bytes returns the first n bytes.
func (b Blob) Bytes(n int64) []byte { return b.Range(0, n) }

// Range returns n bytes at off.
func (b Blob) Range(off, n int64) []byte {
	p := make([]byte, n)
	b.Fill(p, off)
	return p
}

// IsZero says whether off lies in a run of zeros.
func (b Blob) IsZero(off int64) bool {
	return b.ZeroEvery > 0 && mix(^b.Seed+uint64(off/b.runLen()))%b.ZeroEvery == 0
}

// ReadAt makes a Blob an io.ReaderAt. It never fails, and never ends.
func (b Blob) ReadAt(p []byte, off int64) (int, error) {
	b.Fill(p, off)
	return len(p), nil
}

// Reader returns the first size bytes as something that can be read, sought and served.
func (b Blob) Reader(size int64) *io.SectionReader { return io.NewSectionReader(b, 0, size) }

func (b Blob) runLen() int64 {
	if b.ZeroRun == 0 {
		return defaultZeroRun
	}
	return b.ZeroRun
}

// fillWords sets p, which lies inside one run, to the hashes at off.
func (b Blob) fillWords(p []byte, off int64) {
	var word [8]byte
	if skip := off % 8; skip != 0 {
		binary.LittleEndian.PutUint64(word[:], b.word(off/8))
		n := copy(p, word[skip:])
		p, off = p[n:], off+int64(n)
	}
	i := off / 8
	for ; len(p) >= 8; p = p[8:] {
		binary.LittleEndian.PutUint64(p, b.word(i))
		i++
	}
	if len(p) > 0 {
		binary.LittleEndian.PutUint64(word[:], b.word(i))
		copy(p, word[:])
	}
}

func (b Blob) word(i int64) uint64 { return mix(b.Seed + uint64(i)*golden) }
