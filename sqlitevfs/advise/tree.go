package advise

import "slices"

const (
	// mostRecent is how many nodes are looked at first.
	mostRecent = 8
	// mostLevels bounds how far up or down a tree is followed: pages may name each other in circles.
	mostLevels = 10
	// mostTurns bounds how often the way along a level goes by way of the levels above.
	mostTurns = 32
)

// node is an interior page.
type node struct {
	page  uint32
	kids  []uint32 // in the order of their keys
	last  int      // the child that was missed last, -1 for none
	scan  scan     // that goes through its children
	asked bool     // for all of them, and what comes behind
	swept bool     // all children were asked for, for somebody who looks things up
}

// end is the index of the last child in the direction of step.
func (n *node) end(step int) int {
	if step < 0 {
		return 0
	}
	return len(n.kids) - 1
}

// rememberLocked returns the node of page n, nil when that has no children.
func (a *Advisor) rememberLocked(n uint32, kids []uint32) *node {
	if len(kids) == 0 {
		return nil
	}
	if old := a.nodes[n]; old != nil {
		return old
	}
	for a.kids+len(kids) > mostKids && len(a.order) > 0 {
		oldest := a.order[0]
		a.order[0] = nil
		a.order = a.order[1:]
		a.kids -= len(oldest.kids)
		delete(a.nodes, oldest.page)
	}
	add := &node{page: n, kids: kids, last: -1}
	a.nodes[n] = add
	a.order = append(a.order, add)
	a.kids += len(kids)
	return add
}

// parentLocked returns the page that has n as a child, and which one that is.
func (a *Advisor) parentLocked(n uint32) (*node, int) {
	for _, r := range a.recent {
		if i := slices.Index(r.kids, n); i >= 0 {
			return r, i
		}
	}
	for _, o := range a.order {
		if i := slices.Index(o.kids, n); i >= 0 {
			return o, i
		}
	}
	return nil, 0
}

// visitLocked makes n the one that is looked at first.
func (a *Advisor) visitLocked(n *node) {
	k := slices.Index(a.recent, n)
	switch {
	case k < 0 && len(a.recent) < mostRecent:
		a.recent = append(a.recent, nil)
		k = len(a.recent) - 1
	case k < 0:
		k = len(a.recent) - 1
	}
	copy(a.recent[1:k+1], a.recent[:k])
	a.recent[0] = n
}

// besideLocked returns the page next to n on the same level of the tree, behind it with step 1 and
// before it with -1; 0 when it is not known.
func (a *Advisor) besideLocked(n uint32, step, levels int) uint32 {
	up, at := a.parentLocked(n)
	if up == nil || levels == 0 {
		return 0
	}
	if at += step; at >= 0 && at < len(up.kids) {
		return up.kids[at]
	}
	if next := a.nodes[a.besideLocked(up.page, step, levels-1)]; next != nil {
		return next.kids[next.end(-step)]
	}
	return 0
}
