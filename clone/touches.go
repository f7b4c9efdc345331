package clone

import (
	"sync"
	"sync/atomic"

	"hydrant/clone/trace"
)

// touches is the order in which the users of this process first wanted what they read, so far as it
// has not been put into the state file. It is what the next run is started with.
//
// What was cold when it was read comes through here anyway. What the background or a prefetch had
// brought by then shows nowhere else, and is as much a part of it: reads of that through Go are noted
// here, and those past it (see TouchedBy) are asked for.
type touches struct {
	mu     sync.Mutex // guards the rest
	ranges []trace.Range
	past   func(note func(Range))
	full   bool // no more is noted: it has become too much

	asked atomic.Pointer[[]atomic.Uint64] // which regions were noted when read locally, hashed
	fresh atomic.Bool                     // something was noted since it was kept
}

// mostTouches bounds what is noted before it is put in order, which makes it less.
const mostTouches = 8192

// askedBits bounds what is known of reads of local regions: with more regions than that some are lost.
const askedBits = 1 << 18

// note says that s was wanted. It is called for what was cold: for every byte at most a few times.
func (t *touches) note(off, n int64) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.collectLocked()
	t.addLocked(off, n)
}

// collectLocked adds what was read past Go.
func (t *touches) collectLocked() {
	if t.past != nil {
		t.past(func(r Range) { t.addLocked(r.Off, r.Len) })
	}
}

func (t *touches) addLocked(off, n int64) {
	if t.full || n <= 0 {
		return
	}
	// Readers come together, and most come after one another.
	for i := len(t.ranges) - 1; i >= max(0, len(t.ranges)-4); i-- {
		r := &t.ranges[i]
		if r.Off <= off && off+n <= r.End() {
			return
		}
		if r.Off <= off && off <= r.End() && i == len(t.ranges)-1 {
			r.Len = off + n - r.Off
			t.fresh.Store(true)
			return
		}
	}
	if len(t.ranges) >= mostTouches {
		t.ranges = (&trace.Trace{Runs: 1, Ranges: t.ranges}).Tidy().Ranges
		if t.full = len(t.ranges) > mostTouches*3/4; t.full {
			return
		}
	}
	t.ranges = append(t.ranges, trace.Range{Off: off, Len: n, Seen: 1})
	t.fresh.Store(true)
}

// noteLocal is note for a read of what was local: once for each region that a read begins in.
func (t *touches) noteLocal(g geometry, off, n int64) {
	words := t.asked.Load()
	if words == nil {
		made := make([]atomic.Uint64, (min(g.count, askedBits)+63)/64)
		t.asked.CompareAndSwap(nil, &made)
		words = t.asked.Load()
	}
	bit := g.region(off) % askedBits
	word, mask := &(*words)[bit/64], uint64(1)<<(bit%64)
	if word.Load()&mask != 0 || word.Or(mask)&mask != 0 {
		return
	}
	t.note(off, n)
}

// take returns what was noted, in order, and begins anew.
func (t *touches) take() *trace.Trace {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.collectLocked()
	t.fresh.Store(false)
	out := &trace.Trace{Runs: 1, Ranges: t.ranges}
	t.ranges = nil
	return out
}

// giveBack undoes a take.
func (t *touches) giveBack(old *trace.Trace) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.ranges = append(old.Ranges, t.ranges...)
	t.fresh.Store(true)
}

// pending tells whether there is something to take.
func (t *touches) pending() bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.collectLocked()
	return t.fresh.Load()
}

// TouchedBy names a function that reports what was read past the clone's methods (see View) since it
// was last called, in order. It is called often, one call at a time, until Close has returned, and
// must not call the clone.
func (c *Clone) TouchedBy(past func(note func(Range))) {
	c.touches.mu.Lock()
	defer c.touches.mu.Unlock()
	c.touches.past = past
}
