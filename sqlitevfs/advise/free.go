package advise

import (
	"hydrant/clone"
	"hydrant/internal/sqlitefile"
)

const (
	// freeRun is the least that is left for the end, in bytes: shorter ones would cost a request more.
	freeRun = 1 << 20
	// mostFree bounds how many such runs there are, and mostTrunks how many pages of the list of free
	// pages are followed.
	mostFree   = 256
	mostTrunks = 4096
	// mostPages bounds the databases whose free pages are noted, a bit for each page.
	mostPages = 1 << 25
)

// free is the list of free pages, as far as it has been seen: SQLite reads none of them before it
// has written it, so they are fetched last.
type free struct {
	next   uint32   // trunk page that comes next, 0 for none
	trunks int      // seen
	pages  []uint64 // bits
}

// Last implements clone.Deferrer.
func (a *Advisor) Last() []clone.Range {
	if runs := a.last.Load(); runs != nil {
		return *runs
	}
	return nil
}

// trunkLocked is the trunk page to ask for, when the free pages are to be known.
func (a *Advisor) trunkLocked(g *sqlitefile.Geometry) []clone.Range {
	if a.trunk.Load() != 0 || a.free.next == 0 || g.Pages > mostPages {
		return nil
	}
	a.trunk.Store(a.free.next)
	return pages(g, []uint32{a.free.next})
}

// trunkPage takes in page n, the trunk page that was asked for, and asks for the next.
func (a *Advisor) trunkPage(g *sqlitefile.Geometry, n uint32, b []byte) []clone.Range {
	next, leaves := g.Trunk(b)
	a.mu.Lock()
	defer a.mu.Unlock()
	if n != a.trunk.Load() {
		return nil
	}
	f := &a.free
	if f.pages == nil {
		f.pages = make([]uint64, (g.Pages+64)/64)
	}
	seen := func(n uint32) bool { return n > g.Pages || f.pages[n/64]>>(n%64)&1 != 0 }
	for _, n := range append(leaves, n) {
		if !seen(n) {
			f.pages[n/64] |= 1 << (n % 64)
		}
	}
	f.trunks++
	if next == 0 || f.trunks >= mostTrunks || seen(next) {
		next = 0
	}
	f.next = next
	if next == 0 || f.trunks%16 == 0 {
		a.runsLocked(g)
	}
	a.trunk.Store(0)
	return a.trunkLocked(g)
}

// runsLocked publishes what free pages lie together.
func (a *Advisor) runsLocked(g *sqlitefile.Geometry) {
	size := int64(g.PageSize)
	var runs []clone.Range
	begin := uint32(0)
	for n := uint32(1); n <= g.Pages+1 && len(runs) < mostFree; n++ {
		switch is := n <= g.Pages && a.free.pages[n/64]>>(n%64)&1 != 0; {
		case is && begin == 0:
			begin = n
		case !is && begin != 0:
			if l := int64(n-begin) * size; l >= freeRun {
				runs = append(runs, clone.Range{Off: int64(begin-1) * size, Len: l})
			}
			begin = 0
		}
	}
	a.last.Store(&runs)
}
