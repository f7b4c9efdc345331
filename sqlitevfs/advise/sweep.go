package advise

import (
	"cmp"
	"slices"

	"hydrant/clone"
	"hydrant/internal/sqlitefile"
)

// lookupLocked is what a reader will want who looks something up below p, where he was last at child
// before. Otherwise each reader would pay a round trip for each level of each tree, and each branch of
// it, that he is the first to visit.
func (a *Advisor) lookupLocked(g *sqlitefile.Geometry, p *node, before int, m clone.Miss) (want []clone.Range) {
	few, many := fewPages, manyPages
	if !m.All {
		few, many = fewPages/4, manyPages/4
	}
	if !p.swept && before >= 0 && a.nodes[p.kids[before]] != nil && len(p.kids) <= many {
		p.swept = true // it is a second time, and they are interior pages all of them
		want = pages(g, p.kids)
	}
	if a.swept {
		return want
	}
	a.swept = true
	if m.All {
		// What was added last lies at the end: the last leaves of tables and indexes that grow.
		end := int64(g.Pages) * int64(g.PageSize)
		want = append(want, clone.Range{Off: end - min(tail, end), Len: tail})
		want = append(want, a.trunkLocked(g)...)
	}
	return append(want, a.sweepLocked(g, few)...)
}

// sweepLocked asks for the upper levels of all trees: each level that has no more than most pages,
// the smallest first, and as they come the levels below.
func (a *Advisor) sweepLocked(g *sqlitefile.Geometry, most int) []clone.Range {
	var want []uint32
	var known []*node
	a.most = most
	for _, r := range a.roots {
		if n := a.nodes[r]; n != nil {
			known = append(known, n)
		} else {
			a.expand[r] = 1
			want = append(want, r)
		}
	}
	slices.SortStableFunc(known, func(x, y *node) int { return cmp.Compare(len(x.kids), len(y.kids)) })
	for _, n := range known {
		want = append(want, a.expandLocked(n, 1, mostLevels)...)
	}
	return pages(g, want)
}

// expandLocked returns the children of n, one of so many on its level, when those on theirs are not
// too many; and theirs in turn where they are known.
func (a *Advisor) expandLocked(n *node, level, deep int) (want []uint32) {
	below := level * len(n.kids)
	if below > a.most || deep == 0 {
		return nil
	}
	want = append(want, n.kids...)
	for _, k := range n.kids {
		if child := a.nodes[k]; child != nil {
			want = append(want, a.expandLocked(child, below, deep-1)...)
		} else if len(a.expand) < mostChains {
			a.expand[k] = below
		}
	}
	return want
}
