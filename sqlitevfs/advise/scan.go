package advise

import (
	"hydrant/clone"
	"hydrant/internal/sqlitefile"
)

const (
	// firstAhead is how many children a scan asks for when it is noticed, and each time that the
	// reader has caught up four times as many …
	firstAhead = 4
	// … until it is this many: then, with the background at work, the rest of the tree is fetched
	// in the order of its keys, otherwise so much is asked for each time.
	manyAhead = 64
	mostAhead = 4096
	// mostBlocks bounds how many blocks are asked for at once.
	mostBlocks = 1024
)

// scan is a reader who goes through the children of a page in the order of their keys.
type scan struct {
	ahead int // how many children it has asked for ahead, 0: there is none
	step  int // 1, or -1 for one that goes backwards
}

// Missed implements clone.Advisor.
func (a *Advisor) Missed(m clone.Miss) []clone.Range {
	g := a.geo.Load()
	if g == nil || m.Off < 0 {
		return nil
	}
	if fetchedWhole(g) {
		return []clone.Range{{Off: 0, Len: int64(g.Pages) * int64(g.PageSize)}}
	}
	n := uint32(m.Off/int64(g.PageSize)) + 1
	a.mu.Lock()
	defer a.mu.Unlock()
	if length := a.chains[n]; length > 1 {
		off := int64(n-1) * int64(g.PageSize)
		return []clone.Range{{Off: off, Len: int64(length) * int64(g.PageSize)}}
	}
	parent, i := a.parentLocked(n)
	if parent == nil {
		return nil
	}
	a.visitLocked(parent)
	before := parent.last
	parent.last = i
	if i == before {
		return nil // asked again
	}
	if s := a.scanLocked(g, parent, before, i, m.Local); s.step != 0 {
		parent.scan = scan{min(max(4*s.ahead, firstAhead), mostAhead), s.step}
		if m.All && parent.scan.ahead >= manyAhead {
			return a.blocksLocked(g, parent, i)
		}
		return a.aheadLocked(g, parent, i)
	}
	parent.scan = scan{}
	if allLocal(g, parent.kids[:i], m.Local) || allLocal(g, parent.kids[i+1:], m.Local) {
		return nil // a scan, too, begins like this, and wants nothing of what is up there
	}
	return a.lookupLocked(g, parent, before, m)
}

// scanLocked returns the scan that has come to child i of p, when the one before was missed last:
// when all since then are local, and so may have been read. Without one, step is 0.
func (a *Advisor) scanLocked(g *sqlitefile.Geometry, p *node, before, i int, local func(int64) bool) scan {
	kids := p.kids
	switch {
	case before >= 0 && before < i && allLocal(g, kids[before+1:i], local):
		return scan{p.scan.ahead, 1}
	case before > i && allLocal(g, kids[i+1:before], local):
		return scan{p.scan.ahead, -1}
	case before >= 0:
		return scan{}
	}
	// It may have gone through the page before.
	for _, step := range []int{1, -1} {
		q := a.nodes[a.besideLocked(p.page, -step, mostLevels)]
		if q == nil || q.scan.step != step || q.last < 0 {
			continue
		}
		rest, begun := q.kids[q.last+1:], kids[:i]
		if step < 0 {
			rest, begun = q.kids[:q.last], kids[i+1:]
		}
		if allLocal(g, rest, local) && allLocal(g, begun, local) {
			return q.scan
		}
	}
	return scan{}
}

func allLocal(g *sqlitefile.Geometry, pages []uint32, local func(int64) bool) bool {
	for _, n := range pages {
		if !local(int64(n-1) * int64(g.PageSize)) {
			return false
		}
	}
	return true
}

// alongLocked calls f for the children of p from i on, and of the pages behind it on its level, in
// the direction of p's scan, as far as these are known, and for the first page that is not; until it
// returns false.
func (a *Advisor) alongLocked(p *node, i int, f func(under *node, n uint32) bool) {
	step := p.scan.step
	up, at := a.parentLocked(p.page)
	for turns := 0; turns < mostTurns; {
		for ; i >= 0 && i < len(p.kids); i += step {
			if !f(p, p.kids[i]) {
				return
			}
		}
		if up == nil {
			return
		}
		for at += step; at < 0 || at >= len(up.kids); turns++ {
			if up = a.nodes[a.besideLocked(up.page, step, mostLevels)]; up == nil {
				return
			}
			at = up.end(-step)
		}
		next := up.kids[at]
		if p = a.nodes[next]; p == nil {
			f(nil, next)
			return
		}
		i = p.end(-step)
	}
}

// aheadLocked is what a scan that has come to child i of p will want next.
func (a *Advisor) aheadLocked(g *sqlitefile.Geometry, p *node, i int) []clone.Range {
	var want []uint32
	a.alongLocked(p, i, func(_ *node, n uint32) bool {
		want = append(want, n)
		return len(want) < p.scan.ahead
	})
	return pages(g, want)
}

// blocksLocked is all of the tree from child i of p on, in blocks. What of it was asked for before
// is not asked for again, but for the block that the reader has come to.
func (a *Advisor) blocksLocked(g *sqlitefile.Geometry, p *node, i int) []clone.Range {
	size := int64(g.PageSize)
	here := int64(p.kids[i]-1) * size
	first := clone.Range{Off: here, Len: here/block*block + block - here}
	if p.scan.step < 0 {
		first = clone.Range{Off: here / block * block, Len: here%block + size}
	}
	want := []clone.Range{first}
	have := map[int64]bool{here / block: true}
	var in *node // the page whose children are being gone through
	steps := 0
	a.alongLocked(p, i, func(under *node, n uint32) bool {
		if under != in && under != nil {
			if under.asked {
				return false
			}
			in, under.asked = under, true
		}
		if at := int64(n-1) * size / block; !have[at] {
			have[at] = true
			want = append(want, clone.Range{Off: at * block, Len: block})
		}
		steps++
		return len(want) < mostBlocks && steps < mostKids
	})
	return want
}
