// Package advise knows which pages of a database SQLite will want next: it is the clone's Advisor
// for SQLite. It goes by the pages that pass by and by those that readers miss, and believes none of
// them: all that a wrong page does is that pages inside the database are fetched which nobody wants.
package advise

import (
	"math"
	"sync"
	"sync/atomic"

	"hydrant/clone"
	"hydrant/internal/sqlitefile"
)

const (
	// mostKids bounds how many children of interior pages are remembered, four bytes each: those of
	// a gigabyte of pages of 4 KiB. Beyond, the oldest are forgotten.
	mostKids = 1 << 18
	// mostRoots bounds how many trees are looked at, and firstRoots of how many the root is fetched
	// before anybody has looked for anything.
	mostRoots  = 256
	firstRoots = 32
	// mostChains bounds how many overflow chains are remembered.
	mostChains = 4096
	// fewPages is up to how many pages a level of a tree is fetched when somebody has begun to look
	// things up anywhere, and manyPages when he has looked for a second time below these. It is a
	// quarter of that where nothing is fetched but what is asked for.
	fewPages  = 128
	manyPages = 1024
	// tail is how much of the end of the database is fetched then, in bytes.
	tail = 2 << 20
	// block is what a scan asks for at once, in bytes.
	block = 8 << 20
	// whole is up to how many bytes a database is fetched as one: it takes less time, and less of
	// anything else, than a request for each page on the way.
	whole = 1 << 20
	// smallPiece is what may have been fetched for a reader, and not in the background, in bytes.
	smallPiece = 64 << 10
)

// Advisor is a clone.Advisor for one SQLite database.
type Advisor struct {
	geo atomic.Pointer[sqlitefile.Geometry] // nil until page 1 has been seen

	mu     sync.Mutex // guards the rest
	nodes  map[uint32]*node
	order  []*node         // the same, oldest first
	kids   int             // of all of them
	recent []*node         // whose children were missed, last first
	schema map[uint32]bool // pages of it that have not been seen yet
	roots  []uint32
	expand map[uint32]int    // pages whose children are wanted: how many there are on their level
	chains map[uint32]uint32 // first page of an overflow chain: its length
	swept  bool              // the upper levels were asked for …
	most   int               // … where they have no more pages than this
	free   free

	busy  atomic.Bool   // there are pages in schema
	trunk atomic.Uint32 // page of the list of free pages that was asked for, 0: none
	last  atomic.Pointer[[]clone.Range]
}

// New returns the advisor for a database that it will be shown.
func New() *Advisor {
	return &Advisor{
		nodes: map[uint32]*node{}, schema: map[uint32]bool{}, expand: map[uint32]int{}, chains: map[uint32]uint32{},
	}
}

// Seen implements clone.Advisor. Of a page that is neither interior nor part of the schema it reads
// one byte.
func (a *Advisor) Seen(p []byte, off int64) (want []clone.Range) {
	g := a.geo.Load()
	if g == nil && off == 0 {
		g, want = a.front(p)
	}
	if g == nil || fetchedWhole(g) {
		return nil
	}
	size, trunk := int64(g.PageSize), a.trunk.Load()
	for at := (size - off%size) % size; at+size <= int64(len(p)); at += size {
		b := p[at : at+size]
		switch n := uint32((off+at)/size) + 1; {
		case n == 1:
		case n == trunk:
			want = append(want, a.trunkPage(g, n, b)...)
		case sqlitefile.IsInterior(b[0]):
			want = append(want, a.interior(g, n, b)...)
		case b[0] == sqlitefile.TableLeaf && a.busy.Load():
			want = append(want, a.schemaLeaf(g, n, b)...)
			fallthrough
		case b[0] == sqlitefile.TableLeaf && len(p) <= smallPiece:
			a.leaf(g, n, b)
		}
	}
	return want
}

// fetchedWhole tells of a database that it is fetched as one when anything of it is missed.
func fetchedWhole(g *sqlitefile.Geometry) bool { return int64(g.Pages)*int64(g.PageSize) <= whole }

// front takes in page 1 at the front of p, and what the database says of itself there; nil when that
// is none, or not all there.
func (a *Advisor) front(p []byte) (*sqlitefile.Geometry, []clone.Range) {
	h, err := sqlitefile.Decode(p)
	if err != nil || len(p) < h.PageSize {
		return nil, nil
	}
	g := h.Geometry(math.MaxInt64) // where the header does not say, the engine knows
	if !a.geo.CompareAndSwap(nil, &g) {
		return a.geo.Load(), nil
	}
	first, ok := g.Page(1, p[:g.PageSize])
	a.mu.Lock()
	defer a.mu.Unlock()
	if h.FreelistTrunk >= 2 && h.FreelistTrunk <= g.Pages {
		a.free.next = h.FreelistTrunk
	}
	switch {
	case !ok:
		return &g, nil
	case first.Interior():
		a.schema[1] = true
		return &g, a.interiorLocked(&g, 1, &first)
	}
	return &g, a.rootsLocked(&g, &first)
}

// interior takes in page n, which may be an interior one.
func (a *Advisor) interior(g *sqlitefile.Geometry, n uint32, b []byte) []clone.Range {
	p, ok := g.Page(n, b)
	if !ok {
		return nil
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.interiorLocked(g, n, &p)
}

func (a *Advisor) interiorLocked(g *sqlitefile.Geometry, n uint32, p *sqlitefile.Page) []clone.Range {
	node := a.rememberLocked(n, p.Children())
	if node == nil {
		return nil
	}
	if a.awaitedLocked(n) {
		for _, k := range node.kids {
			if len(a.schema) < mostRoots {
				a.schema[k] = true
			}
		}
		a.busy.Store(true)
		return pages(g, node.kids)
	}
	if level, ok := a.expand[n]; ok {
		delete(a.expand, n)
		return pages(g, a.expandLocked(node, level, mostLevels))
	}
	return nil
}

// awaitedLocked tells whether page n is one of the schema that has not been seen before.
func (a *Advisor) awaitedLocked(n uint32) bool {
	if !a.schema[n] {
		return false
	}
	delete(a.schema, n)
	a.busy.Store(len(a.schema) > 0)
	return true
}

// schemaLeaf takes in page n, which may be a leaf of the schema.
func (a *Advisor) schemaLeaf(g *sqlitefile.Geometry, n uint32, b []byte) []clone.Range {
	p, ok := g.Page(n, b)
	a.mu.Lock()
	defer a.mu.Unlock()
	if !ok || !a.awaitedLocked(n) {
		return nil
	}
	return a.rootsLocked(g, &p)
}

// rootsLocked takes in the roots that a leaf of the schema names.
func (a *Advisor) rootsLocked(g *sqlitefile.Geometry, p *sqlitefile.Page) []clone.Range {
	roots := p.Roots()
	roots = roots[:min(len(roots), mostRoots-len(a.roots))]
	a.roots = append(a.roots, roots...)
	return pages(g, roots[:min(len(roots), max(firstRoots-len(a.roots)+len(roots), 0))])
}

// leaf takes in the overflow chains of leaf n.
func (a *Advisor) leaf(g *sqlitefile.Geometry, n uint32, b []byte) {
	p, ok := g.Page(n, b)
	if !ok {
		return
	}
	chains := p.Chains(p.Cells)
	if len(chains) == 0 {
		return
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	if len(a.chains)+len(chains) > mostChains {
		clear(a.chains)
	}
	for _, c := range chains {
		a.chains[c.First] = c.Pages
	}
}

// pages are the ranges of some pages, those that follow each other joined.
func pages(g *sqlitefile.Geometry, numbers []uint32) (all []clone.Range) {
	size := int64(g.PageSize)
	for _, n := range numbers {
		off := int64(n-1) * size
		if k := len(all) - 1; k >= 0 && all[k].Off+all[k].Len == off {
			all[k].Len += size
			continue
		}
		all = append(all, clone.Range{Off: off, Len: size})
	}
	return all
}
