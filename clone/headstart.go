package clone

import (
	"context"
	"io"
	"sync"
	"sync/atomic"
	"time"

	"hydrant/clone/trace"
	"hydrant/source"
)

// headstart is requests that are sent while the files of a new clone are being made, which takes syncs
// of the disk, one after the other: what the trace beside the source names, and what the advisor makes of
// the first bytes. The clone, when there is one, takes them over as flights.
type headstart struct {
	src    source.Source
	id     source.Identity
	geo    geometry
	have   span // the regions that came with the first bytes
	ctx    context.Context
	cancel context.CancelFunc
	wg     sync.WaitGroup
	sent   *atomic.Int64 // requests that are on nobody's account yet

	mu    sync.Mutex // guards the rest
	over  bool       // nothing more is asked for
	begun []*begun
	rest  wishes // what was too much to be asked for
}

// newHeadstart asks for what a reads out of head, and for what the trace of g names as soon as that has
// come; either may be nil. With all, everything will be fetched in the end. src is asked until the
// headstart is dropped or all that it began has been read.
func newHeadstart(src *counted, id source.Identity, geo geometry, head []byte, all bool, a Advisor, g *guess) *headstart {
	h := &headstart{src: src, id: id, geo: geo, have: span{0, geo.regions(0, int64(len(head)))}, sent: &atomic.Int64{}}
	src.count = func() { h.sent.Add(1) }
	h.ctx, h.cancel = context.WithCancel(context.Background())
	if all && id.Size <= wholeFetch {
		h.ask([]Range{{0, id.Size}})
	} else if a != nil && !h.have.empty() {
		_, n := geo.bytes(h.have)
		h.ask(a.Seen(head[:n], 0))
	}
	if g != nil {
		h.wg.Go(func() {
			select {
			case <-g.done:
				h.ask(h.named(g.trace))
			case <-h.ctx.Done():
			}
		})
	}
	return h
}

// named is what a trace names first. The rest of it is for the clone to ask for.
func (h *headstart) named(t *trace.Trace) (ranges []Range) {
	if t == nil {
		return nil
	}
	for _, r := range t.Within(h.geo.size, warmBytesOff).Ranges {
		if len(ranges) == warmFirst() {
			break
		}
		ranges = append(ranges, Range{Off: r.Off, Len: r.Len})
	}
	return ranges
}

// ask sends requests for ranges, those that lie near together as one, as takeLocked does.
func (h *headstart) ask(ranges []Range) {
	h.mu.Lock()
	defer h.mu.Unlock()
	var w wishes
	for _, r := range ranges {
		w = w.with(h.geo.inside(r))
	}
	w = w.without(h.have)
	for _, b := range h.begun {
		w = w.without(b.span)
	}
	for len(w) > 0 && !h.over && len(h.begun) < warmFirst() {
		s := h.trim(w.around(w[0], h.geo, uint64(minWindow)>>h.geo.shift), w[0].lo)
		w = w.without(s)
		h.beginLocked(s)
	}
	h.rest = append(h.rest, w...)
}

// trim cuts off s, of which at remains, what has been asked for.
func (h *headstart) trim(s span, at uint64) span {
	s.lo = max(s.lo, h.have.hi)
	for _, b := range h.begun {
		if b.hi <= at {
			s.lo = max(s.lo, b.hi)
		} else {
			s.hi = min(s.hi, b.lo)
		}
	}
	return s
}

func (h *headstart) beginLocked(s span) {
	b := &begun{span: s, at: time.Now(), sent: h.sent, done: make(chan struct{})}
	var ctx context.Context
	ctx, b.cancel = context.WithCancel(h.ctx)
	h.begun = append(h.begun, b)
	h.wg.Go(func() {
		defer close(b.done)
		off, n := h.geo.bytes(s)
		b.body, b.err = h.src.ReadRange(ctx, h.id, off, n)
	})
}

// end says that nothing more is to be asked for, and returns what was, and the ranges that were not.
func (h *headstart) end() ([]*begun, wishes) {
	if h == nil {
		return nil, nil
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	h.over = true
	begun, rest := h.begun, h.rest
	h.begun, h.rest = nil, nil
	return begun, rest
}

// drop ends all that nobody has taken over, and returns when it has ended, so that the source can be
// closed.
func (h *headstart) drop() {
	if h == nil {
		return
	}
	left, _ := h.end()
	h.cancel()
	h.wg.Wait()
	for _, b := range left {
		b.end()
	}
}

// begun is a source whose first answer is that of a request on its way.
type begun struct {
	span
	src    source.Source // all others are its
	at     time.Time     // when it was sent
	sent   *atomic.Int64 // see headstart
	cancel context.CancelFunc
	used   bool          // only the flight's goroutine looks
	done   chan struct{} // closed when it was answered
	body   io.ReadCloser // then, unless err
	err    error
}

// end abandons the answer.
func (b *begun) end() {
	b.cancel()
	<-b.done
	if b.body != nil {
		_ = b.body.Close()
	}
}

func (b *begun) URL() string           { return b.src.URL() }
func (b *begun) Unwrap() source.Source { return b.src }
func (b *begun) Close() error          { return nil }

func (b *begun) Identify(ctx context.Context, n int64) (source.Identity, []byte, error) {
	return b.src.Identify(ctx, n)
}

// ReadRange returns that answer, which is of the span. What went wrong with it is asked for again.
func (b *begun) ReadRange(ctx context.Context, id source.Identity, off, n int64) (io.ReadCloser, error) {
	if b.used {
		return b.src.ReadRange(ctx, id, off, n)
	}
	b.used = true
	stop := context.AfterFunc(ctx, b.cancel)
	<-b.done
	if b.err != nil {
		stop()
		b.cancel()
		return b.src.ReadRange(ctx, id, off, n)
	}
	return &begunBody{b, stop}, nil
}

// begunBody is the answer's body. It ends with the ctx of whoever reads it.
type begunBody struct {
	b    *begun
	stop func() bool
}

func (r *begunBody) Read(p []byte) (int, error) { return r.b.body.Read(p) }

func (r *begunBody) Close() error {
	r.stop()
	err := r.b.body.Close()
	r.b.cancel()
	return err
}

// takeOver makes flights of what h has begun, and wishes of what it has not.
func (c *Clone) takeOver(h *headstart) {
	if h == nil {
		return
	}
	all, rest := h.end()
	c.charge(h.sent)
	for _, b := range all {
		b.src = c.src
		if f := c.flightOf(b); f == nil {
			b.end()
		} else if !c.spawn(func() { _ = c.fly(f, c.throttled, nil) }) {
			b.end()
			c.ground(f)
		}
	}
	var left []Range
	for _, s := range rest {
		off, n := c.geo.bytes(s)
		left = append(left, Range{off, n})
	}
	c.wantSoon(left, perhaps, false)
}

// charge puts requests on the clone's account. Those who send them must not: what is shared may fault.
func (c *Clone) charge(sent *atomic.Int64) { c.head().Requests.Add(uint64(sent.Swap(0))) }

// flightOf is a flight that b's answer comes by, nil when it cannot be.
func (c *Clone) flightOf(b *begun) *flight {
	if _, n := c.geo.bytes(b.span); c.spare(n) != nil {
		return nil
	}
	f, fresh := c.flights.joinAs(b.span, b.lo, c.coldAround, func(s span) *flight {
		f := newFlight(s, false)
		f.early, f.sent, f.begun = true, b.at, b
		return f
	})
	if !fresh {
		return nil
	}
	if f.span != b.span || !c.post(f) {
		c.flights.remove(f)
		f.end(errGrounded)
		return nil
	}
	return f
}
