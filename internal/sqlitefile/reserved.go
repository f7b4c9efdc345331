package sqlitefile

// Reserved tells whether page number belongs to no b-tree and no list wherever it lies: the page
// of the lock byte, and the pointer maps of auto_vacuum
// (https://www.sqlite.org/fileformat2.html#pointer_map_or_ptrmap_pages).
func (g *Geometry) Reserved(number uint32) bool {
	lock := uint32(LockByte/int64(g.PageSize)) + 1
	if number == lock {
		return true
	}
	if !g.Maps || number < 2 {
		return false
	}
	every := uint32(g.Usable/5) + 1 // a map and the pages that it speaks of
	first := (number-2)/every*every + 2
	if first == lock {
		first++
	}
	return number == first
}
