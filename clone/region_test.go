package clone

import (
	"fmt"
	"strings"
	"testing"
)

// Pictures of a source of 28 bytes in regions of 8 (the engine's are larger, the arithmetic is the
// same):
//
//	0       8       16      24  28
//	|-------|-------|-------|---|
const picture = "|-------|-------|-------|---|"

func smallGeometry() geometry { return geometry{shift: 3, size: 28, count: 4} }

func draw(s span) string {
	b := []byte("....")
	for r := s.lo; r < s.hi && r < 4; r++ {
		b[r] = '#'
	}
	return string(b)
}

func TestGeometryOfRanges(t *testing.T) {
	g := smallGeometry()
	for _, tt := range []struct{ picture, touched, covered string }{
		//|-------|-------|-------|---|
		{"=======", "#...", "...."},
		{"========", "#...", "#..."},
		{"=========", "##..", "#..."},
		{" =======", "#...", "...."},
		{" ========", "##..", "...."},
		{"       ==", "##..", "...."},
		{"        =", ".#..", "...."},
		{"        ========", ".#..", ".#.."},
		{"    ===============", "###.", ".#.."},
		{"    =====================", "####", ".##."},
		{"                        ===", "...#", "...."},
		{"                        ====", "...#", "...#"},
		{"                        =====", "...#", "...#"},
		{"                         ===", "...#", "...."},
		{"                       =====", "..##", "...#"},
		{"============================", "####", "####"},
		{"===================================", "####", "####"},
		{"                            =", "....", "...."},
		{"                                ====", "....", "...."},
		{"", "....", "...."},
		{"        ", "....", "...."},
	} {
		off := int64(strings.IndexByte(tt.picture+"=", '='))
		n := int64(strings.Count(tt.picture, "="))
		touched, covered := g.touched(off, n), g.covered(off, n)
		if draw(touched) != tt.touched || draw(covered) != tt.covered {
			t.Errorf("\n%s\n%s\ntouched %s, want %s\ncovered %s, want %s",
				picture, tt.picture, draw(touched), tt.touched, draw(covered), tt.covered)
		}
		if touched.hi > g.count || covered.hi > g.count {
			t.Errorf("%s: spans %v, %v end past the last region", tt.picture, touched, covered)
		}
	}
}

func TestGeometryOfRegions(t *testing.T) {
	g := smallGeometry()
	for r, want := range []int64{0, 8, 16, 24, 28, 28} {
		if got := g.start(uint64(r)); got != want {
			t.Errorf("region %d starts at %d, want %d", r, got, want)
		}
	}
	for s, want := range map[span][2]int64{{0, 1}: {0, 8}, {1, 3}: {8, 16}, {3, 4}: {24, 4}, {0, 4}: {0, 28}, {4, 4}: {28, 0}} {
		if off, n := g.bytes(s); off != want[0] || n != want[1] {
			t.Errorf("bytes of %v: %d+%d, want %d+%d", s, off, n, want[0], want[1])
		}
	}
	for _, tt := range []struct {
		lo   uint64
		n    int64
		want uint64
	}{{0, 0, 0}, {0, 7, 0}, {0, 8, 1}, {0, 17, 2}, {0, 27, 3}, {0, 28, 4}, {0, 99, 4}, {1, 15, 1}, {3, 3, 0}, {3, 4, 1}, {2, 12, 2}, {2, 11, 1}} {
		if got := g.regions(tt.lo, tt.n); got != tt.want {
			t.Errorf("%d bytes from region %d are %d regions, want %d", tt.n, tt.lo, got, tt.want)
		}
	}
	for _, tt := range []struct {
		s    span
		unit int64
		want span
	}{{span{1, 2}, 8, span{1, 2}}, {span{1, 2}, 4, span{1, 2}}, {span{1, 2}, 16, span{0, 2}}, {span{1, 3}, 16, span{0, 4}}, {span{3, 4}, 16, span{2, 4}}, {span{2, 3}, 64, span{0, 4}}} {
		if got := g.align(tt.s, tt.unit); got != tt.want {
			t.Errorf("%v aligned to %d is %v, want %v", tt.s, tt.unit, got, tt.want)
		}
	}
}

// Byte by byte, against the definitions.
func TestGeometryAgreesWithItsDefinitions(t *testing.T) {
	for _, size := range []int64{0, 1, 511, 512, 513, 1024, 2600} {
		g := newGeometry(size, 512)
		if want := uint64(size+511) / 512; g.count != want {
			t.Fatalf("size %d: %d regions, want %d", size, g.count, want)
		}
		for off := int64(0); off < size+600; off += 37 {
			for _, n := range []int64{0, 1, 36, 475, 512, 513, 1024, 5000} {
				var touched, covered []uint64
				for r := range g.count {
					lo, hi := g.start(r), g.start(r+1)
					if max(lo, off) < min(hi, off+n) {
						touched = append(touched, r)
					}
					if n > 0 && off <= lo && hi <= off+n {
						covered = append(covered, r)
					}
				}
				for what, pair := range map[string]struct {
					got  span
					want []uint64
				}{"touched": {g.touched(off, n), touched}, "covered": {g.covered(off, n), covered}} {
					want := span{}
					if len(pair.want) > 0 {
						want = span{pair.want[0], pair.want[len(pair.want)-1] + 1}
					}
					if pair.got.empty() != want.empty() || !want.empty() && pair.got != want {
						t.Fatalf("size %d: %d+%d %s %v, want %v", size, off, n, what, pair.got, want)
					}
				}
			}
		}
	}
}

// Near the largest offsets nothing overflows.
func TestGeometryOfHugeBlobs(t *testing.T) {
	g := newGeometry(1<<52, 4096)
	for _, off := range []int64{1<<52 - 4096, 1<<52 - 1, 1 << 52, 1<<63 - 1} {
		for _, n := range []int64{1, 4096, 1 << 20} {
			for _, s := range []span{g.touched(off, n), g.covered(off, n)} {
				if s.lo > g.count || s.hi > g.count || s.hi-s.lo > 2 && s.hi > s.lo {
					t.Errorf("%d+%d: %v", off, n, s)
				}
			}
		}
	}
	if off, n := g.bytes(span{g.count - 1, g.count}); off != 1<<52-4096 || n != 4096 {
		t.Error(fmt.Sprint(off, n))
	}
}
