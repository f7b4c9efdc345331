package sqlitefile

// rootColumn is that of sqlite_schema which holds the number of a b-tree's first page, behind
// type, name and tbl_name.
const rootColumn = 3

// Roots returns the first pages of the tables and indexes that a leaf of the schema speaks of.
func (p *Page) Roots() (roots []uint32) {
	if p.Kind != TableLeaf {
		return nil
	}
	for i := range p.Cells {
		record, _, _ := p.payload(i)
		if n := column(record, rootColumn); n >= 2 && n <= int64(p.g.Pages) {
			roots = append(roots, uint32(n))
		}
	}
	return roots
}

// column returns the value of an integer column of a record, of which the end may be missing; -1
// when there is none (https://www.sqlite.org/fileformat2.html#record_format).
func column(record []byte, which int) int64 {
	size, used := varint(record)
	if used == 0 || size > uint64(len(record)) || size < uint64(used) {
		return -1
	}
	types, values := record[used:size], record[size:]
	for i := 0; ; i++ {
		kind, used := varint(types)
		if used == 0 {
			return -1
		}
		types = types[used:]
		n := length(kind)
		if n > uint64(len(values)) {
			return -1
		}
		if i == which {
			return integer(kind, values[:n])
		}
		values = values[n:]
	}
}

// length is how many bytes a value of serial type kind takes.
func length(kind uint64) uint64 {
	switch {
	case kind >= 12:
		return (kind - 12) / 2
	case kind <= 4:
		return kind
	case kind == 5:
		return 6
	case kind <= 7:
		return 8
	}
	return 0
}

// integer is the value of serial type kind in b, -1 when it is no integer or below 0.
func integer(kind uint64, b []byte) int64 {
	switch {
	case kind == 8 || kind == 9:
		return int64(kind - 8)
	case kind < 1 || kind > 6:
		return -1
	}
	n := int64(int8(b[0]))
	for _, c := range b[1:] {
		n = n<<8 | int64(c)
	}
	return max(n, -1)
}
