package clone

import (
	"context"
	"sync"
	"time"
)

// flight is one request to the source under way, for the cold regions of its span. It belongs to
// the clone and not to whoever asked first: others join it, each with a ctx of its own. It holds
// nobody up who does not want its bytes.
//
//	lo          next            hi
//	|###########|...............|      next only grows
//	 dealt with   not here yet
type flight struct {
	span
	demand bool // somebody waits
	early  bool // somebody will wait soon
	sent   time.Time
	post   *post  // what other processes see of it; nil: nothing
	begun  *begun // the request was sent before there was a clone; nil: it is to be sent
	tired  bool   // it has waited for a claim in vain; only its own goroutine looks

	mu     sync.Mutex // guards the rest
	next   uint64     // regions [lo, next) have been dealt with: local now, or in unkept
	unkept map[uint64][]byte
	why    error         // why the last of these could not be kept
	err    error         // why it ended before hi
	came   time.Time     // when the answer began, zero before
	tick   chan struct{} // closed, and replaced, when next grows
	ended  bool
}

func newFlight(s span, demand bool) *flight {
	return &flight{span: s, demand: demand, sent: time.Now(), next: s.lo, tick: make(chan struct{})}
}

// await returns when region r has been dealt with, or with the reason why it will not be.
func (f *flight) await(ctx context.Context, r uint64) error {
	for {
		f.mu.Lock()
		passed, ended, err, tick := r < f.next, f.ended, f.err, f.tick
		f.mu.Unlock()
		switch {
		case passed:
			return nil
		case ended:
			return err
		}
		select {
		case <-tick:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// advance tells the waiters that the regions below next have been dealt with.
func (f *flight) advance(next uint64) {
	f.mu.Lock()
	defer f.mu.Unlock()
	next = max(f.next, next)
	f.post.advance(next)
	f.next = next
	close(f.tick)
	f.tick = make(chan struct{})
}

// keepAside holds the bytes of a region that could not be put into dest, for the waiters.
func (f *flight) keepAside(r uint64, b []byte, why error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.unkept == nil {
		f.unkept = make(map[uint64][]byte)
	}
	f.unkept[r] = append([]byte(nil), b...)
	f.why = why
}

// aside returns what keepAside holds of region r and why, nil when nothing.
func (f *flight) aside(r uint64) ([]byte, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.unkept[r], f.why
}

// dealtWith is the first region that has not been.
func (f *flight) dealtWith() uint64 {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.next
}

func (f *flight) end(err error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.err, f.ended = err, true
	close(f.tick)
}

// answer says that the source has begun to answer.
func (f *flight) answer() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.came = time.Now()
}

// estimate is how long it may take until region r has arrived, at no more than most bytes per
// second unless that is 0.
func (f *flight) estimate(p *pace, r uint64, g geometry, most float64) time.Duration {
	f.mu.Lock()
	next, came := f.next, f.came
	f.mu.Unlock()
	if r < next {
		return 0
	}
	answered := time.Duration(0)
	if !came.IsZero() {
		answered = time.Since(came)
	}
	got := g.start(next) - g.start(f.lo)
	return p.estimate(g.start(r+1)-g.start(next), got, time.Since(f.sent), answered, most)
}

// flights is the table of all that is being fetched in this process. No two overlap, but for those
// that overtake.
type flights struct {
	mu   sync.Mutex // guards list
	list []*flight
}

// join returns the flight that region at is in, or adds a new one of the largest span around at
// within s whose regions are all cold and in no other flight. fresh tells which. It returns nil
// when at is not cold.
func (t *flights) join(s span, at uint64, demand bool, cold func(span, uint64) span) (f *flight, fresh bool) {
	return t.joinAs(s, at, cold, func(s span) *flight { return newFlight(s, demand) })
}

// joinEarly is join for what will be wanted soon.
func (t *flights) joinEarly(s span, at uint64, cold func(span, uint64) span) (f *flight, fresh bool) {
	return t.joinAs(s, at, cold, func(s span) *flight {
		f := newFlight(s, false)
		f.early = true
		return f
	})
}

func (t *flights) joinAs(s span, at uint64, cold func(span, uint64) span, add func(span) *flight) (f *flight, fresh bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, o := range t.list {
		switch {
		case o.contains(at):
			return o, false
		case o.hi <= at:
			s.lo = max(s.lo, o.hi)
		default:
			s.hi = min(s.hi, o.lo)
		}
	}
	if s = cold(s, at); s.empty() {
		return nil, false
	}
	f = add(s)
	t.list = append(t.list, f)
	return f, true
}

// overtake adds f, which somebody waits for, in front of slow, unless that is nil, and of others that
// will come to region r later; or it returns what was added before for the same reason.
func (t *flights) overtake(f *flight, r uint64, slow *flight) (_ *flight, fresh bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, o := range t.list {
		if o.demand && o != slow && o.contains(r) {
			return o, false
		}
	}
	t.list = append([]*flight{f}, t.list...)
	return f, true
}

func (t *flights) remove(f *flight) {
	t.mu.Lock()
	defer t.mu.Unlock()
	for i, o := range t.list {
		if o == f {
			last := len(t.list) - 1
			t.list[i] = t.list[last]
			t.list[last] = nil
			t.list = t.list[:last]
			return
		}
	}
}

// after returns the first region at or after r that no flight is fetching.
func (t *flights) after(r uint64) uint64 {
	t.mu.Lock()
	defer t.mu.Unlock()
	for again := true; again; {
		again = false
		for _, o := range t.list {
			if o.contains(r) {
				r, again = o.hi, true
			}
		}
	}
	return r
}
