package clone

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"sync/atomic"
	"time"

	"hydrant/source"
)

// Sizes of what is asked of the source for a read, in bytes.
const (
	minWindow = 64 << 10
	maxWindow = 8 << 20
	// sharers is how many ranges share the background's bandwidth when it is capped, for an
	// estimate.
	sharers = 8
	// buffer is what a flight reads into; two for each connection is all the memory that
	// hydration takes, whatever the size of the blob.
	buffer = 256 << 10
)

// demand starts, or joins, the fetch of cold region r for a reader who also wants the regions up
// to hi. It returns nil when r is not cold any more.
func (c *Clone) demand(r, hi uint64) *flight {
	want := c.window(r, hi)
	f, fresh := c.flights.join(want, r, true, c.coldAround)
	if !fresh {
		if f == nil || !c.soonerAlone(f, r) {
			return f
		}
		// The rest of that flight is long: ask again for the little that is needed now. Its
		// own copy, when it gets there, is found local and passed over.
		alone := c.coldAround(c.geo.align(span{r, r + 1}, minWindow), r)
		if alone.empty() {
			return nil
		}
		if f, fresh = c.flights.overtake(newFlight(alone, true), r); !fresh {
			return f
		}
		_, n := c.geo.bytes(f.span)
		c.head().Refetched.Add(uint64(n))
	}
	c.start(f)
	return f
}

// coldAround is the largest span of cold regions around at within s, empty when at is local.
func (c *Clone) coldAround(s span, at uint64) span {
	if !s.contains(at) || c.local(at) {
		return span{at, at}
	}
	lo, hi := at, at+1
	for lo > s.lo && !c.local(lo-1) {
		lo--
	}
	for hi < s.hi && !c.local(hi) {
		hi++
	}
	return span{lo, hi}
}

// window is what to ask for when a reader wants [r, hi): a small aligned piece at first, doubling
// while one read follows another.
func (c *Clone) window(r, hi uint64) span {
	c.seq.mu.Lock()
	defer c.seq.mu.Unlock()
	most := r + max(uint64(maxWindow)>>c.geo.shift, 1)
	if !c.keeping() {
		return span{r, min(hi, most)}
	}
	if c.seq.lo <= r && r < c.seq.next {
		return span{r, c.seq.next} // on its way: that says nothing new about the reader
	}
	want := c.geo.align(span{r, r + 1}, minWindow)
	if c.seq.next == r && r > 0 {
		c.seq.size = min(2*c.seq.size, maxWindow)
		want = span{r, min(r+max(uint64(c.seq.size)>>c.geo.shift, 1), c.geo.count)}
	} else {
		c.seq.size = minWindow
	}
	want.hi = max(want.hi, min(hi, most))
	c.seq.lo, c.seq.next = want.lo, want.hi
	return want
}

// sequence is the evidence for a sequential reader: where it will be next if it is one.
type sequence struct {
	mu   sync.Mutex // guards the rest
	lo   uint64     // of the last window
	next uint64     // its end
	size int64      // bytes
}

// soonerAlone tells whether a request of its own would bring region r sooner than the flight that
// is fetching it.
func (c *Clone) soonerAlone(f *flight, r uint64) bool {
	most := float64(c.head().Bandwidth.Load()) / sharers
	return !f.demand && f.estimate(c.pace, r, c.geo, most) > c.pace.alone()
}

// start runs f in a goroutine of the clone.
func (c *Clone) start(f *flight) {
	if !c.spawn(func() { c.fly(f, c.src, nil) }) {
		c.flights.remove(f)
		f.end(ErrClosed)
	}
}

var buffers = sync.Pool{New: func() any { b := make([]byte, buffer); return &b }}

// fly fetches f's span from src and deals with it. after, unless nil, is told how far it has come.
// It returns when f has ended.
func (c *Clone) fly(f *flight, src source.Source, after func(next uint64) error) error {
	if f.demand {
		c.demands.begin()
		defer c.demands.end()
	}
	// No word from the source for this long ends the flight, whoever waits for it.
	ctx, cancel := context.WithCancelCause(c.ctx)
	defer cancel(nil)
	watchdog := time.AfterFunc(c.timeout(), func() {
		cancel(source.WithKind(fmt.Errorf("%w (%v)", ErrTimeout, c.timeout()), source.Transient))
	})
	defer watchdog.Stop()

	err := c.stream(ctx, f, src, after, watchdog)
	if cause := context.Cause(ctx); err != nil && cause != nil && errors.Is(err, context.Canceled) {
		err = cause
	}
	if err != nil && c.ctx.Err() != nil {
		err = ErrClosed
	}
	c.flights.remove(f)
	switch {
	case err == nil:
		c.fetched()
	case !errors.Is(err, errGrounded):
		off, n := c.geo.bytes(f.span)
		err = fmt.Errorf("fetch bytes %d to %d: %w", off, off+n, err)
		c.fetchFailed(err, c.geo.start(f.dealtWith()))
	}
	f.end(err)
	return err
}

// errGrounded ends a flight that nobody waits for when its bytes cannot be kept: holding them all
// would take memory without bound. Who has joined it asks again, for no more than is wanted.
var errGrounded = errors.New("nobody waits, and nothing is kept")

func (c *Clone) stream(ctx context.Context, f *flight, src source.Source, after func(uint64) error, watchdog *time.Timer) error {
	off, n := c.geo.bytes(f.span)
	begin := time.Now()
	stream, err := src.ReadRange(ctx, c.id, off, n)
	if err != nil {
		return err
	}
	defer stream.Close()
	body := &watched{stream, watchdog, c.timeout()}
	c.pace.answered(time.Since(begin))
	f.answer()

	buf := *buffers.Get().(*[]byte)
	defer func() { buffers.Put(&buf) }()
	if int64(cap(buf)) < c.geo.regionSize() {
		buf = make([]byte, c.geo.regionSize())
	}
	for at, have := f.lo, 0; at < f.hi; {
		left := n - (c.geo.start(at) - off)
		piece := buf[:min(int64(len(buf)), left)]
		// A waiter gets each region as it comes; the background is better off with few copies.
		need := len(piece)
		if f.demand {
			need = int(min(c.geo.regionSize(), left))
		}
		m, err := io.ReadAtLeast(body, piece[have:], max(need-have, 0))
		c.head().Fetched.Add(uint64(m))
		have += m
		if k := c.geo.regions(at, int64(have)); k > 0 && have > 0 {
			k = min(k, f.hi-at)
			size := int(c.geo.start(at+k) - c.geo.start(at))
			unkept := c.install(ctx, f, span{at, at + k}, buf[:size])
			at += k
			have = copy(buf, buf[size:have])
			f.advance(at)
			if unkept != nil && !f.demand {
				return fmt.Errorf("%w: %w", errGrounded, unkept)
			}
			if after != nil {
				if err := after(at); err != nil {
					return fmt.Errorf("%w: %w", errGrounded, err)
				}
			}
		}
		if err != nil && at < f.hi {
			if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
				err = source.WithKind(source.BadAnswer("%d bytes short", left-int64(have)), source.Transient)
			}
			return err
		}
	}
	c.pace.fetched(f.demand, n, time.Since(begin))
	return nil
}

// watched keeps a watchdog quiet for as long as bytes arrive.
type watched struct {
	r       io.Reader
	dog     *time.Timer
	timeout time.Duration
}

func (w *watched) Read(p []byte) (int, error) {
	n, err := w.r.Read(p)
	w.dog.Reset(w.timeout)
	return n, err
}

// demands is whether readers are waiting for the source.
type demands struct {
	running atomic.Int64
	last    atomic.Int64 // when the last of them ended, nanoseconds since 1970
}

// demandGap is how long after one fetch that somebody waited for the next may come and still be
// of the same run: between two steps down a tree there is next to no time.
const demandGap = 20 * time.Millisecond

func (d *demands) begin() { d.running.Add(1) }

func (d *demands) end() {
	d.last.Store(time.Now().UnixNano())
	d.running.Add(-1)
}

func (d *demands) active() bool {
	return d.running.Load() > 0 || time.Since(time.Unix(0, d.last.Load())) < demandGap
}
