package clone

import (
	"sync"

	"github.com/bits-and-blooms/bitset"

	"hydrant/clone/state"
)

// Advisor knows more of what is in a blob than the engine does: it turns bytes that it is shown,
// and what readers miss, into ranges that will be wanted soon, the most urgent first. What it says
// is a hint, see Clone.Prefetch: wrong advice costs time and never an answer.
//
// Both methods are called at the same time from many goroutines, Seen at the full rate of
// hydration; readers wait for them. They must not call the clone.
type Advisor interface {
	// Seen is shown bytes of the source that have become local: those of whole regions, from off
	// on, in no order, some perhaps again and some never. p is not to be changed, nor kept.
	Seen(p []byte, off int64) []Range

	// Missed is told that a reader waits for bytes that are not local. Where the first range that
	// it returns contains them, the reader's own request goes on to the end of that, or is for all of
	// it when that is no more than 1 MiB, and nobody asks for a part of it again to have that sooner.
	Missed(m Miss) []Range
}

// Deferrer is an Advisor that knows of bytes that nobody will read.
type Deferrer interface {
	// Last returns what the background is to fetch last, a few hundred ranges at most, in order of
	// offset and none overlapping another. It is asked often.
	Last() []Range
}

// Miss is what a reader waits for.
type Miss struct {
	Off, Len int64                // bytes
	All      bool                 // everything will be fetched in the end: the background is at work
	Local    func(off int64) bool // tells whether the byte at off is local
}

// seen shows bytes that have become local to the advisor.
func (c *Clone) seen(p []byte, off int64) {
	if a := c.opts.Advisor; a != nil && c.phase() == state.Live {
		if ranges := a.Seen(p, off); len(ranges) > 0 {
			c.wantSoon(ranges, perhaps, true)
			c.showOld(ranges)
		}
	}
}

// missed tells the advisor of a reader who waits for n bytes at off. It returns the regions that he will
// want at once, which the first of these is one of, and what to do when they are on their way.
func (c *Clone) missed(off, n int64) (want span, then func()) {
	r := c.geo.region(off)
	a := c.opts.Advisor
	if a == nil || !c.keeping() {
		return span{r, r + 1}, func() {}
	}
	ranges := a.Missed(Miss{off, n, c.head().Hydration.Load() != 0 && !c.nobody.Load(), c.localAt})
	if len(ranges) == 0 {
		return span{r, r + 1}, func() {}
	}
	c.showOld(ranges)
	if s := c.geo.inside(ranges[0]); s.contains(r) {
		return s, func() { c.wantSoon(ranges, soon, true) }
	}
	return span{r, r + 1}, func() { c.wantSoon(ranges, perhaps, true) }
}

// fetchedLast is what the background is to leave for the end, spans in their order.
func (c *Clone) fetchedLast() (all []span) {
	d, ok := c.opts.Advisor.(Deferrer)
	if !ok {
		return nil
	}
	end := uint64(0)
	for _, r := range d.Last() {
		// Whole regions: what shares one with them is wanted sooner.
		if off, n := max(r.Off, 0), min(r.Len, c.geo.size); r.Off < c.geo.size && n > 0 {
			if s := c.geo.covered(off, n); !s.empty() && s.lo >= end {
				all, end = append(all, s), s.hi
			}
		}
	}
	return all
}

// localAt tells whether the byte at off is local.
func (c *Clone) localAt(off int64) bool {
	return off < 0 || off >= c.geo.size || c.local(c.geo.region(off))
}

// unshown is which regions were local before this process came: they do not pass by, and are shown
// to the advisor when he asks for them.
type unshown struct {
	mu    sync.Mutex     // guards local
	local *bitset.BitSet // nil: none
}

// take returns which regions of s have not been shown, as ranges, and notes that they are.
func (u *unshown) take(s span) (all []span) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.local == nil {
		return nil
	}
	for r := s.lo; r < s.hi; r++ {
		if !u.local.Test(uint(r)) {
			continue
		}
		u.local.Clear(uint(r))
		if n := len(all); n > 0 && all[n-1].hi == r {
			all[n-1].hi++
		} else {
			all = append(all, span{r, r + 1})
		}
	}
	return all
}

// mostShown bounds what is shown of a range that the advisor has asked for, in bytes: it is the way
// to something that he wants to see, not all that he thinks will be read.
const mostShown = headBytes

// showFront notes what is local already, and shows the advisor the front of that.
func (c *Clone) showFront() {
	if c.opts.Advisor == nil || c.hydrated().Count() == 0 {
		return
	}
	local := c.hydrated().Snapshot()
	c.unshown.mu.Lock()
	c.unshown.local = local.Union(c.st.Maps[state.Written].Snapshot())
	c.unshown.mu.Unlock()
	c.showOld([]Range{{0, headBytes}})
}

// showOld shows the advisor what he asks for and is local already.
func (c *Clone) showOld(ranges []Range) {
	var old []span
	for _, r := range ranges {
		if s := c.geo.inside(r); c.geo.start(s.hi)-c.geo.start(s.lo) <= mostShown {
			old = append(old, c.unshown.take(s)...)
		}
	}
	if len(old) > 0 {
		c.spawn(func() {
			for _, s := range old {
				c.showLocal(s)
			}
		})
	}
}

// showLocal shows the advisor the regions of s, as they are in dest.
func (c *Clone) showLocal(s span) {
	off, n := c.geo.bytes(s)
	p := make([]byte, n)
	if got, _ := c.readLocal(p, off); got == len(p) && n > 0 {
		c.seen(p, off)
	}
}
