package sqlitefile

import "encoding/binary"

// Trunk decodes a trunk page of the list of free pages, whose bytes are b: the next trunk, 0 for
// none, and the free pages that it names. Those outside the database are left out
// (https://www.sqlite.org/fileformat2.html#the_freelist).
func (g *Geometry) Trunk(b []byte) (next uint32, free []uint32) {
	if !g.valid() || len(b) != g.PageSize {
		return 0, nil
	}
	next = binary.BigEndian.Uint32(b)
	if next < 2 || next > g.Pages {
		next = 0
	}
	n := min(binary.BigEndian.Uint32(b[4:]), uint32(g.Usable/4-2))
	for i := range n {
		if p := binary.BigEndian.Uint32(b[8+4*i:]); p >= 2 && p <= g.Pages {
			free = append(free, p)
		}
	}
	return next, free
}
