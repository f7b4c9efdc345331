package sqlitefile

import "encoding/binary"

// Kinds of b-tree pages, the first byte of each
// (https://www.sqlite.org/fileformat2.html#b_tree_pages).
const (
	IndexInterior = 2
	TableInterior = 5
	IndexLeaf     = 10
	TableLeaf     = 13
)

// IsInterior tells whether a page that begins with this byte may be an interior one.
func IsInterior(kind byte) bool { return kind == IndexInterior || kind == TableInterior }

// Geometry is what is to be known of a database to read its pages.
type Geometry struct {
	PageSize int    // bytes
	Usable   int    // of these, without what is reserved at the end
	Pages    uint32 // of the database
	Maps     bool   // there are pointer-map pages
}

// Geometry returns that of the database, in a file of fileSize bytes.
func (h *Header) Geometry(fileSize int64) Geometry {
	pages := min(h.Pages(fileSize), fileSize/int64(h.PageSize), 1<<32-2)
	return Geometry{h.PageSize, h.PageSize - int(h.Reserved), uint32(max(pages, 0)), h.AutoVacuum()}
}

// valid tells whether usable is as large as SQLite demands.
func (g *Geometry) valid() bool { return g.Usable >= 480 && g.Usable <= g.PageSize }

// Page is a b-tree page. What it says was not checked beyond its bounds.
type Page struct {
	Kind   byte
	Cells  int
	g      *Geometry
	b      []byte // all of it
	at     int    // where its header begins: behind the database's on page 1
	behind int    // where its cell pointers end
}

// Page decodes page number, whose bytes are b. false when it is no page of a b-tree: a page of
// anything else may look like one.
func (g *Geometry) Page(number uint32, b []byte) (Page, bool) {
	p := Page{g: g, b: b}
	if number == 1 {
		p.at = HeaderSize
	}
	if !g.valid() || len(b) != g.PageSize || g.Reserved(number) {
		return Page{}, false
	}
	p.Kind = b[p.at]
	p.Cells = int(binary.BigEndian.Uint16(b[p.at+3:]))
	size := 8
	switch p.Kind {
	case IndexInterior, TableInterior:
		size = 12
	case IndexLeaf, TableLeaf:
	default:
		return Page{}, false
	}
	p.behind = p.at + size + 2*p.Cells
	content := int(binary.BigEndian.Uint16(b[p.at+5:]))
	if content == 0 {
		content = 65536
	}
	if p.behind > content || content > g.Usable || b[p.at+7] > 60 {
		return Page{}, false
	}
	return p, true
}

// Interior tells whether the page has children.
func (p *Page) Interior() bool { return IsInterior(p.Kind) }

// cell returns the bytes of cell i and all behind it, at least four, nil when it has none.
func (p *Page) cell(i int) []byte {
	at := int(binary.BigEndian.Uint16(p.b[p.behind-2*(p.Cells-i):]))
	if at < p.behind || at > p.g.Usable-4 {
		return nil
	}
	return p.b[at:p.g.Usable]
}

// Children returns the page numbers of an interior page's children, in the order of their keys. nil
// for a leaf, and when any of them cannot be one.
func (p *Page) Children() []uint32 {
	if !p.Interior() {
		return nil
	}
	all := make([]uint32, 0, p.Cells+1)
	for i := range p.Cells + 1 {
		child := p.b[p.at+8:] // the rightmost is in the header
		if i < p.Cells {
			child = p.cell(i)
		}
		if child == nil {
			return nil
		}
		n := binary.BigEndian.Uint32(child)
		if n < 2 || n > p.g.Pages {
			return nil
		}
		all = append(all, n)
	}
	return all
}

// payload returns what cell i holds of its payload, the length of all of it, and the first of the
// overflow pages where the rest is, 0 for none. nil when the cell makes no sense.
func (p *Page) payload(i int) (local []byte, total int64, overflow uint32) {
	b := p.cell(i)
	if p.Kind == IndexInterior && b != nil {
		b = b[4:]
	}
	if p.Kind == TableInterior || b == nil {
		return nil, 0, 0
	}
	n, used := varint(b)
	b = b[used:]
	if p.Kind == TableLeaf {
		_, used2 := varint(b)
		b, used = b[used2:], min(used, used2)
	}
	if used == 0 || n > 1<<31 {
		return nil, 0, 0
	}
	total = int64(n)
	// https://www.sqlite.org/fileformat2.html#cell_payload_overflow_pages
	u := int64(p.g.Usable)
	most := u - 35
	if p.Kind != TableLeaf {
		most = (u-12)*64/255 - 23
	}
	if total <= most {
		if total > int64(len(b)) {
			return nil, 0, 0
		}
		return b[:total], total, 0
	}
	least := (u-12)*32/255 - 23
	here := least + (total-least)%(u-4)
	if here > most {
		here = least
	}
	if here+4 > int64(len(b)) {
		return nil, 0, 0
	}
	return b[:here], total, binary.BigEndian.Uint32(b[here:])
}

// Chain is a list of overflow pages: the first, and how many there are.
type Chain struct {
	First uint32
	Pages uint32
}

// Chains returns the overflow chains of the page's cells, up to most of them. Each is inside the
// database if it lies there in one piece, as it mostly does.
func (p *Page) Chains(most int) (all []Chain) {
	for i := 0; i < p.Cells && len(all) < most; i++ {
		local, total, first := p.payload(i)
		if first < 2 || first > p.g.Pages {
			continue
		}
		each := int64(p.g.Usable - 4)
		n := (total - int64(len(local)) + each - 1) / each
		all = append(all, Chain{first, uint32(min(n, int64(p.g.Pages-first)+1))})
	}
	return all
}

// NextOverflow is the page that follows an overflow page whose bytes are b, 0 for none.
func (g *Geometry) NextOverflow(b []byte) uint32 {
	if len(b) < 4 {
		return 0
	}
	if n := binary.BigEndian.Uint32(b); n >= 2 && n <= g.Pages {
		return n
	}
	return 0
}

// varint decodes a variable-length integer at the front of b, and tells how long it is: 0 when b
// is too short.
func varint(b []byte) (n uint64, used int) {
	for i, c := range b {
		if i == 8 {
			return n<<8 | uint64(c), 9
		}
		n = n<<7 | uint64(c&0x7f)
		if c < 0x80 {
			return n, i + 1
		}
	}
	return 0, 0
}
