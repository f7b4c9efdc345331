// Package sqlitefile reads what an SQLite database file says of itself in its first 100 bytes
// (https://www.sqlite.org/fileformat2.html#the_database_header), and which other pages a page of it
// names: enough to fetch them before they are asked for, and not enough to read a row. Whatever the
// bytes say, what comes back is inside the database.
package sqlitefile

import (
	"encoding/binary"
	"errors"
)

// HeaderSize is the length of the database header in bytes.
const HeaderSize = 100

// Magic opens every database that is not encrypted.
const Magic = "SQLite format 3\x00"

// LockByte is where SQLite's locks lie. The page that holds it is never used.
const LockByte = 1 << 30

// ErrNotDatabase is returned for bytes that are not the front of a database.
var ErrNotDatabase = errors.New("not an SQLite database")

// Header is what a database says of itself.
type Header struct {
	PageSize      int    // bytes, a power of two from 512 to 65536
	WriteVersion  byte   // 1 rollback journal, 2 WAL
	ReadVersion   byte   // the same
	Reserved      byte   // bytes kept free at the end of each page
	ChangeCounter uint32 // counts transactions in rollback mode
	PageCount     uint32 // see Pages
	FreelistTrunk uint32 // first page of the list of free pages, 0: none
	FreelistCount uint32 // number of free pages
	SchemaCookie  uint32
	LargestRoot   uint32 // not 0: auto_vacuum, and there are pointer-map pages
	ValidFor      uint32 // the ChangeCounter for which PageCount holds
	Library       uint32 // version of the last library that wrote, like 3054001
}

// Decode reads the header at the front of b, which is at least HeaderSize long.
// The error is ErrNotDatabase.
func Decode(b []byte) (Header, error) {
	if len(b) < HeaderSize || string(b[:len(Magic)]) != Magic {
		return Header{}, ErrNotDatabase
	}
	be := binary.BigEndian
	h := Header{
		PageSize:      int(be.Uint16(b[16:])),
		WriteVersion:  b[18],
		ReadVersion:   b[19],
		Reserved:      b[20],
		ChangeCounter: be.Uint32(b[24:]),
		PageCount:     be.Uint32(b[28:]),
		FreelistTrunk: be.Uint32(b[32:]),
		FreelistCount: be.Uint32(b[36:]),
		SchemaCookie:  be.Uint32(b[40:]),
		LargestRoot:   be.Uint32(b[52:]),
		ValidFor:      be.Uint32(b[92:]),
		Library:       be.Uint32(b[96:]),
	}
	if h.PageSize == 1 {
		h.PageSize = 65536
	}
	if h.PageSize < 512 || h.PageSize&(h.PageSize-1) != 0 {
		return Header{}, ErrNotDatabase
	}
	return h, nil
}

// WAL tells whether the database is in WAL mode.
func (h *Header) WAL() bool { return h.ReadVersion == 2 }

// AutoVacuum tells whether the database has pointer-map pages.
func (h *Header) AutoVacuum() bool { return h.LargestRoot != 0 }

// Pages is the number of pages of a database in a file of fileSize bytes: what the header says
// where that holds, otherwise as many as the file has room for.
func (h *Header) Pages(fileSize int64) int64 {
	if h.PageCount > 0 && h.ValidFor == h.ChangeCounter {
		return int64(h.PageCount)
	}
	return fileSize / int64(h.PageSize)
}

// PageSize returns the page size of the database that begins with head, 0 when head is not the
// front of a database.
func PageSize(head []byte) int64 {
	h, err := Decode(head)
	if err != nil {
		return 0
	}
	return int64(h.PageSize)
}
