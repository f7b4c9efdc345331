// Package crc joins checksums: from those of two pieces, and the length of the second, comes that of
// both. So a blob that arrives in pieces and out of order can be checked as a whole. The kinds are
// those that object stores keep of whole objects.
package crc

import (
	"hash/crc32"
	"sync"

	"github.com/minio/crc64nvme"
)

// Kind is one cyclic redundancy check, with bits reflected and all ones before and after.
type Kind struct {
	// Name is the store's name for it.
	Name   string
	bits   uint
	poly   uint64 // reflected
	update func(sum uint64, p []byte) uint64
	powers func() []uint64
}

// The kinds. Sums of 32 bits are the low half of an uint64.
var (
	CRC32     = kind32("CRC32", crc32.IEEE)
	CRC32C    = kind32("CRC32C", crc32.Castagnoli)
	CRC64NVME = newKind("CRC64NVME", 64, 0x9a6c9329ac4bc9b5, crc64nvme.Update)
)

func kind32(name string, poly uint32) *Kind {
	table := crc32.MakeTable(poly)
	return newKind(name, 32, uint64(poly), func(sum uint64, p []byte) uint64 {
		return uint64(crc32.Update(uint32(sum), table, p))
	})
}

func newKind(name string, bits uint, poly uint64, update func(uint64, []byte) uint64) *Kind {
	k := &Kind{Name: name, bits: bits, poly: poly, update: update}
	k.powers = sync.OnceValue(k.squares)
	return k
}

// Size is the length of a sum in bytes.
func (k *Kind) Size() int { return int(k.bits / 8) }

// Update is the sum of what sum is of, followed by p. The sum of nothing is 0.
func (k *Kind) Update(sum uint64, p []byte) uint64 { return k.update(sum, p) }

// Join is the sum of a followed by b, which is n bytes long.
//
// A sum is a remainder modulo the polynomial: that of a, moved up by 8·n places, is multiplied by
// x to that power; the ones before and after cancel out. (Mark Adler's derivation, in zlib.)
func (k *Kind) Join(a, b uint64, n int64) uint64 { return k.times(k.shift(n), a) ^ b }

// shift is x^(8n) modulo the polynomial, n ≥ 0.
func (k *Kind) shift(n int64) uint64 {
	p := uint64(1) << (k.bits - 1) // x^0
	for i := 3; n > 0; i, n = i+1, n>>1 {
		if n&1 != 0 {
			p = k.times(k.powers()[i], p)
		}
	}
	return p
}

// squares are x^(2^i) modulo the polynomial.
func (k *Kind) squares() []uint64 {
	out := make([]uint64, 64+3)
	out[0] = 1 << (k.bits - 2) // x^1
	for i := 1; i < len(out); i++ {
		out[i] = k.times(out[i-1], out[i-1])
	}
	return out
}

// times multiplies modulo the polynomial. The highest bit is x^0.
func (k *Kind) times(a, b uint64) (p uint64) {
	for m := uint64(1) << (k.bits - 1); m != 0; m >>= 1 {
		if a&m != 0 {
			p ^= b
		}
		if b&1 != 0 {
			b = b>>1 ^ k.poly
		} else {
			b >>= 1
		}
	}
	return p
}
