package torture

import (
	"encoding/binary"
	"fmt"
	"math/rand/v2"

	"hydrant/internal/pattern"
)

// BlobShape is what a blob is made of, and all that the writes to it depend on. It is cut into cells
// whose bounds are no regions'; a cell is written by one owner.
type BlobShape struct {
	Seed   uint64
	Size   int64
	Region int64
}

func newBlobShape(seed uint64) BlobShape {
	r := random(seed, 'B', 0, 0)
	return BlobShape{Seed: seed, Size: 500_000 + r.Int64N(8<<20), Region: pick(r, int64(512), 4096, 4096, 65536)}
}

// content is the source's.
func (s BlobShape) content() pattern.Blob {
	return pattern.Blob{Seed: s.Seed, ZeroEvery: 6, ZeroRun: 16 << 10}
}

// cell is a range of bytes, both bounds multiples of 8 but for the end of the blob.
type cell struct {
	index  int
	owner  int
	off, n int64
}

func (s BlobShape) cells() (list []cell) {
	r := random(s.Seed, 'C', 0, 0)
	for off := int64(0); off < s.Size; {
		n := 8 * (1 + r.Int64N(pick(r, int64(20), 200, 2000, 20000)))
		n = min(n, s.Size-off)
		list = append(list, cell{len(list), r.IntN(Owners), off, n})
		off += n
	}
	return list
}

// change is what an owner does at one time: new bytes, or a discarded range.
type change struct {
	cell
	off  int64
	data []byte // nil: discard n bytes
	n    int64
}

// change is the seq-th of an owner, seq from 1 on.
func (s BlobShape) change(mine []cell, owner int, seq int64) change {
	r := random(s.Seed, 'X', int64(owner), seq)
	c := mine[r.IntN(len(mine))]
	ch := change{cell: c, off: c.off, n: c.n}
	if r.IntN(2) == 0 {
		lo := r.Int64N(c.n) / 8 * 8
		ch.off, ch.n = c.off+lo, min(8*(1+r.Int64N(c.n/8+1)), c.n-lo)
	}
	if r.IntN(10) > 0 {
		ch.data = make([]byte, ch.n)
		for i := int64(0); i < ch.n; i += 8 {
			var word [8]byte
			binary.LittleEndian.PutUint64(word[:], stamp(c.index, seq, ch.off+i))
			copy(ch.data[i:], word[:])
		}
	}
	return ch
}

// stamp is a word that tells which write it is of, so that one which nobody wrote can be told.
func stamp(cell int, seq, off int64) uint64 {
	x := uint64(cell)<<48 | uint64(seq&0xffffff)<<24
	h := (x ^ uint64(off)) * 0x9e3779b97f4a7c15
	return x | h>>40
}

// apply changes an image of the blob as the engine has to: of a discarded range, whole regions become
// zeros.
func (s BlobShape) apply(image []byte, ch change) {
	if ch.data != nil {
		copy(image[ch.off:], ch.data)
		return
	}
	lo, hi := (ch.off+s.Region-1)/s.Region*s.Region, (ch.off+ch.n)/s.Region*s.Region
	if ch.off+ch.n == s.Size {
		hi = s.Size
	}
	if lo < hi {
		clear(image[lo:hi])
	}
}

// mine are the cells of an owner.
func mine(cells []cell, owner int) (list []cell) {
	for _, c := range cells {
		if c.owner == owner {
			list = append(list, c)
		}
	}
	return list
}

// plausible looks for words that are neither the source's, nor zeros, nor of a write to the cell that
// they stand in.
func (s BlobShape) plausible(cells []cell, r *rand.Rand, read func(off, n int64) ([]byte, error)) error {
	c := cells[r.IntN(len(cells))]
	got, err := read(c.off, c.n)
	if err != nil {
		return err
	}
	want := s.content().Range(c.off, c.n)
	for i := 0; i+8 <= len(got); i += 8 {
		w := binary.LittleEndian.Uint64(got[i:])
		if w == 0 || w == binary.LittleEndian.Uint64(want[i:]) {
			continue
		}
		if at := c.off + int64(i); int(w>>48) != c.index || w != stamp(c.index, int64(w>>24&0xffffff), at) {
			return broken{fmt.Errorf("offset %d reads %#016x, which is neither the source's nor any writer's", at, w)}
		}
	}
	return nil
}
