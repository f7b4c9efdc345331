package clone

import "math/bits"

// geometry is the one place where byte offsets become region numbers and back.
//
//	bytes    0        r        2r       3r     size        dest's end
//	         |--------|--------|--------|------|--------------|
//	regions      0        1        2       3     none: local
//
// The last region may be short. Beyond the source's end there are no regions.
type geometry struct {
	shift uint
	size  int64  // of the source, bytes
	count uint64 // regions
}

func newGeometry(size, regionSize int64) geometry {
	shift := uint(bits.TrailingZeros64(uint64(regionSize)))
	return geometry{shift: shift, size: size, count: uint64(size+regionSize-1) >> shift}
}

// span is a range of regions [lo, hi).
type span struct{ lo, hi uint64 }

func (s span) empty() bool            { return s.lo >= s.hi }
func (s span) len() uint64            { return s.hi - s.lo }
func (s span) overlaps(t span) bool   { return s.lo < t.hi && t.lo < s.hi }
func (s span) contains(r uint64) bool { return s.lo <= r && r < s.hi }

// regionSize is the size of every region but perhaps the last.
func (g geometry) regionSize() int64 { return 1 << g.shift }

// region is the number of the region that byte off lies in; count or more past the source's end.
func (g geometry) region(off int64) uint64 { return uint64(off) >> g.shift }

// start is the first byte of region r, clipped to the source's end.
func (g geometry) start(r uint64) int64 {
	if r >= g.count {
		return g.size
	}
	return int64(r << g.shift)
}

// bytes is the byte range of a span, clipped to the source's end.
func (g geometry) bytes(s span) (off, n int64) {
	off = g.start(s.lo)
	return off, g.start(s.hi) - off
}

// inside is the span of regions that r has a byte of, empty when none of it is in the source.
func (g geometry) inside(r Range) span {
	end := r.Off + min(r.Len, g.size) // no overflow: Off is below size where it counts
	if off := max(r.Off, 0); r.Off < g.size && r.Len > 0 && end > off {
		return g.touched(off, min(end, g.size)-off)
	}
	return span{g.count, g.count}
}

// touched is the span of regions that [off, off+n) has a byte of.
func (g geometry) touched(off, n int64) span {
	if n <= 0 || off >= g.size {
		return span{g.count, g.count}
	}
	return span{g.region(off), min(g.region(off+n-1)+1, g.count)}
}

// covered is the span of regions whose every source byte lies in [off, off+n).
func (g geometry) covered(off, n int64) span {
	if n <= 0 || off >= g.size {
		return span{g.count, g.count}
	}
	lo := (uint64(off) + uint64(g.regionSize()) - 1) >> g.shift
	hi := g.region(off + n)
	if off+n >= g.size {
		hi = g.count
	}
	if lo >= hi {
		return span{lo, lo}
	}
	return span{lo, hi}
}

// regions is how many whole regions fit into n bytes that begin at region lo: the short last one
// counts as whole when its bytes are there.
func (g geometry) regions(lo uint64, n int64) uint64 {
	if g.start(lo)+n >= g.size {
		return g.count - lo
	}
	return uint64(n) >> g.shift
}

// align widens a span to multiples of unit bytes (a power of two, at least a region).
func (g geometry) align(s span, unit int64) span {
	per := uint64(unit) >> g.shift
	if per <= 1 {
		return s
	}
	return span{s.lo / per * per, min((s.hi+per-1)/per*per, g.count)}
}
