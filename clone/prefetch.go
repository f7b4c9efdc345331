package clone

import (
	"runtime"
	"slices"
	"sync"

	"hydrant/source"
	"hydrant/source/limit"
)

// Range is Len bytes of the source from Off on.
type Range struct{ Off, Len int64 }

const (
	// mostEarly bounds how many ranges are fetched at once for what will be wanted soon, see
	// earlyConnections; it is politeConnections while readers wait longer for that. No more than
	// largeConnections of them are of more than smallFetch bytes: what is wanted first should not share
	// the line with all the rest.
	mostEarly        = 64
	largeConnections = 32
	// mostWanted bounds how many ranges wait to be fetched.
	mostWanted = 4096
)

// earlyConnections is how many ranges are fetched at once for what will be wanted soon: no more than the
// processors can ask for while the first answers are on their way. A request costs one of them about a
// millisecond, and what is wanted first would wait for all that is asked for with it.
func earlyConnections() int { return min(12*runtime.GOMAXPROCS(0), mostEarly) }

// Prefetch says that ranges will be wanted soon, the most urgent first, and returns at once. They
// are fetched behind what readers wait for and before the background, which never stops for them;
// with hydration switched off, too. What is local or on its way already is not asked for again; what
// lies near together is asked for together. It may be called at any time from any goroutine.
//
// It is a hint: there is no error, and ranges are dropped when thousands wait already, and all of
// them while the source fails or nothing can be kept. What lies outside the source is ignored.
func (c *Clone) Prefetch(ranges []Range) {
	leave, err := c.enter()
	if err != nil {
		return
	}
	defer leave(&err)
	c.wantSoon(ranges, soon, false)
}

// urgency is which queue a wish stands in. Each is looked at when those before are empty.
type urgency int

const (
	soon      urgency = iota // as far as can be told
	perhaps                  // it may well be
	urgencies = iota
)

// wantSoon is Prefetch. With first, these are more urgent than those that wait in the same queue.
func (c *Clone) wantSoon(ranges []Range, u urgency, first bool) {
	var add wishes
	for _, r := range ranges {
		add = add.with(c.geo.inside(r))
	}
	e := &c.early
	e.mu.Lock()
	if first {
		add, e.wanted[u] = e.wanted[u], add
	}
	for _, s := range add {
		e.wanted[u] = e.wanted[u].with(s)
	}
	e.mu.Unlock()
	c.fetchEarly()
}

// early is what will be wanted soon.
type early struct {
	mu      sync.Mutex // guards the rest
	wanted  [urgencies]wishes
	running int // goroutines that fetch them
	big     int // of their flights, those that are large
}

// wishes are regions, the most urgent first: none empty, and no more than mostWanted.
type wishes []span

// with returns w with s last, together with the one before when they touch, or w when there is no
// room.
func (w wishes) with(s span) wishes {
	n := len(w)
	switch {
	case s.empty() || n >= mostWanted:
	case n > 0 && s.lo <= w[n-1].hi && w[n-1].lo <= s.hi:
		w[n-1] = span{min(s.lo, w[n-1].lo), max(s.hi, w[n-1].hi)}
	default:
		w = append(w, s)
	}
	return w
}

// without returns w without the regions of s.
func (w wishes) without(s span) wishes {
	var rest wishes // behind s in one that goes on on both sides: few
	kept := w[:0]
	for _, o := range w {
		if !o.overlaps(s) {
			kept = append(kept, o)
			continue
		}
		front, back := span{o.lo, min(o.hi, s.lo)}, span{max(o.lo, s.hi), o.hi}
		switch {
		case !front.empty() && !back.empty():
			kept = append(kept, front)
			rest = append(rest, back)
		case !front.empty():
			kept = append(kept, front)
		case !back.empty():
			kept = append(kept, back)
		}
	}
	return append(kept, rest[:min(len(rest), max(mostWanted-len(kept), 0))]...)
}

// around is what to ask for at once of first and what else is wanted nearby: nothing beyond the background's
// block that first begins in.
func (w wishes) around(first span, g geometry, spare uint64) span {
	block := g.align(span{first.lo, first.lo + 1}, maxWindow)
	first.hi = min(first.hi, block.hi)
	return w.near(first, block, spare)
}

// near widens s, without leaving block, by what else is wanted nearby: so long as all that lies
// between comes to no more than spare regions.
func (w wishes) near(s, block span, spare uint64) span {
	lowest := s.lo - min(spare, s.lo) // what is most urgent does not wait for more than that
	for grown := true; grown; {
		grown = false
		for _, o := range w {
			o = span{max(o.lo, block.lo, lowest), min(o.hi, block.hi)}
			if o.empty() || s.lo <= o.lo && o.hi <= s.hi {
				continue
			}
			gap := uint64(0)
			if o.lo > s.hi {
				gap = o.lo - s.hi
			} else if s.lo > o.hi {
				gap = s.lo - o.hi
			}
			if gap <= spare {
				spare -= gap
				s, grown = span{min(s.lo, o.lo), max(s.hi, o.hi)}, true
			}
		}
	}
	return s
}

// fetchEarly starts what is needed to fetch what is wanted.
func (c *Clone) fetchEarly() {
	e := &c.early
	e.mu.Lock()
	defer e.mu.Unlock()
	most := earlyConnections()
	for n := len(e.wanted[soon]) + len(e.wanted[perhaps]); n > 0 && e.running < most; n-- {
		e.running++
		if !c.spawn(c.fetchWanted) {
			e.running--
			return
		}
	}
}

// fetchWanted is a goroutine that fetches what is wanted, one range at a time, until nothing is.
func (c *Clone) fetchWanted() {
	for {
		f := c.nextWanted()
		if f == nil {
			return
		}
		if c.flyEarly(f) != nil {
			c.early.forget() // it would go no better
		}
	}
}

func (c *Clone) flyEarly(f *flight) error {
	defer func() {
		c.early.mu.Lock()
		defer c.early.mu.Unlock()
		if c.isLarge(f.span) {
			c.early.big--
		}
	}()
	return c.fly(f, c.throttled, nil)
}

func (c *Clone) isLarge(s span) bool {
	_, n := c.geo.bytes(s)
	return n > smallFetch
}

// nextWanted begins the flight for what is most urgent. nil tells the goroutine that it is not
// needed any more.
func (c *Clone) nextWanted() *flight {
	e := &c.early
	e.mu.Lock()
	defer e.mu.Unlock()
	if !c.keeping() || c.hindered() != nil {
		e.forgetLocked()
	}
	for u := range e.wanted {
		for len(e.wanted[u]) > 0 && !c.tooManyLocked(e.wanted[u][0]) {
			if f := c.takeLocked(&e.wanted[u]); f != nil {
				return f
			}
		}
	}
	e.running--
	return nil
}

// takeLocked begins the flight for the first of w, with what else of w lies nearby, and takes both
// out of it; nil when that is local or on somebody's way.
func (c *Clone) takeLocked(w *wishes) *flight {
	first := c.coldIn((*w)[0])
	if first.empty() {
		if *w = slices.Delete(*w, 0, 1); len(*w) == 0 {
			*w = nil
		}
		return nil
	}
	f, fresh := c.flights.joinEarly(w.around(first, c.geo, c.between()), first.lo, c.coldAround)
	if fresh && c.post(f) {
		*w = w.without(f.span)
		if c.isLarge(f.span) {
			c.early.big++
		}
		return f
	}
	if fresh {
		c.flights.remove(f)
		f.end(errGrounded)
	}
	*w = w.without(span{first.lo, first.lo + 1}) // it is on somebody's way by now
	return nil
}

// tooManyLocked tells whether one goroutine less is to fetch what is wanted, s next: too many fetch
// a lot already, or it is little and readers wait longer for it. One always goes on.
func (c *Clone) tooManyLocked(s span) bool {
	if c.isLarge(s) {
		return c.early.big >= largeConnections
	}
	return c.early.running > politeConnections && c.demands.active() && c.pace.pressed()
}

// coldIn is the first run of regions of s that are cold and on nobody's way, or empty.
func (c *Clone) coldIn(s span) span {
	for s.lo < s.hi {
		r, ok := c.hydrated().NextClear(s.lo, s.hi)
		if !ok {
			break
		}
		next := max(c.flights.after(r), c.posts.after(r))
		if next == r && !c.local(r) {
			return span{r, s.hi}
		}
		s.lo = max(next, r+1)
	}
	return span{s.hi, s.hi}
}

// between is how many regions that nobody has asked for may be fetched between some that somebody
// has, rather than send another request: what comes in the time that a request takes, but no more
// than a reader's window, so that the most urgent is not kept waiting by the others.
func (c *Clone) between() uint64 {
	return uint64(min(c.pace.perRequest(int64(c.head().Bandwidth.Load())), minWindow)) >> c.geo.shift
}

// forget drops all that is wanted.
func (e *early) forget() {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.forgetLocked()
}

func (e *early) forgetLocked() { e.wanted = [urgencies]wishes{} }

// large tells whether a lot that will be wanted soon is being fetched.
func (e *early) large() bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.big > 0
}

// throttled is src within the bandwidth that all that nobody waits for has to share.
func (c *Clone) throttled(src source.Source) source.Source {
	c.limiter.SetBandwidth(int64(c.head().Bandwidth.Load()))
	return limit.New(src, c.limiter)
}

// perRequest is how many bytes come on one connection in the time that it takes the source to
// begin an answer, at no more than most bytes per second unless that is 0.
func (p *pace) perRequest(most int64) int64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	rate := p.rate
	if most > 0 {
		rate = min(rate, float64(most))
	}
	return int64(rate * p.latency.Seconds())
}
