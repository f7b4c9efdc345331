package coldstart

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"

	"hydrant/internal/sqlitefile"
)

// descend returns where the pages lie that a search for rowid reads in the table whose root is page
// root, from the root to the leaf (https://www.sqlite.org/fileformat2.html#b_tree_pages). They are
// fetched one after the other by whoever knows only what it has read: the chain that the time to a
// first row is bounded by.
func descend(path string, root, rowid int64) (offsets []int64, err error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	head := make([]byte, sqlitefile.HeaderSize)
	if _, err := f.ReadAt(head, 0); err != nil {
		return nil, err
	}
	page := make([]byte, sqlitefile.PageSize(head))
	if len(page) == 0 {
		return nil, sqlitefile.ErrNotDatabase
	}
	for number := root; len(offsets) < 20; {
		off := (number - 1) * int64(len(page))
		if _, err := f.ReadAt(page, off); err != nil {
			return nil, err
		}
		offsets = append(offsets, off)
		at := 0
		if number == 1 {
			at = sqlitefile.HeaderSize
		}
		switch page[at] {
		case 13: // a leaf of a table
			return offsets, nil
		case 5: // an inner page of one
			number = childOf(page, at, rowid)
		default:
			return nil, fmt.Errorf("page %d is of no table", number)
		}
	}
	return nil, errors.New("a table is deeper than tables are")
}

// childOf is the page below an inner page, whose header is at at, on which rowid would be.
func childOf(page []byte, at int, rowid int64) int64 {
	cells := int(binary.BigEndian.Uint16(page[at+3:]))
	for i := range cells {
		cell := int(binary.BigEndian.Uint16(page[at+12+2*i:]))
		if key, _ := varint(page[cell+4:]); rowid <= key {
			return int64(binary.BigEndian.Uint32(page[cell:]))
		}
	}
	return int64(binary.BigEndian.Uint32(page[at+8:]))
}

// varint is SQLite's: big-endian, seven bits a byte, all eight of the ninth.
func varint(b []byte) (v int64, n int) {
	for n = range 8 {
		v = v<<7 | int64(b[n]&0x7f)
		if b[n] < 0x80 {
			return v, n + 1
		}
	}
	return v<<8 | int64(b[8]), 9
}
