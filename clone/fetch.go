package clone

import (
	"cmp"
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
	// wholeFetch bounds what is asked for at once though the first of it is not what is wanted first:
	// it comes in less than the time that another request would take.
	wholeFetch = 1 << 20
	// sharers is how many ranges share the background's bandwidth when it is capped, for an
	// estimate.
	sharers = 8
	// buffer is what a flight reads into; two for each connection is all the memory that
	// hydration takes, whatever the size of the blob.
	buffer = 256 << 10
)

// demand starts, or joins, the fetch of cold region r for a reader who wants all those of s, which r is
// one of. It returns nil when r is to be looked at again, which may not be cold any more.
func (c *Clone) demand(ctx context.Context, r uint64, s span) (*flight, error) {
	alone, err := c.awaitOthers(ctx, r)
	if err != nil {
		return nil, err
	}
	if alone {
		return c.overtake(r, nil), nil
	}
	w := c.window(r, s.hi)
	if _, n := c.geo.bytes(s); n <= wholeFetch && c.keeping() {
		w = span{min(w.lo, s.lo), max(w.hi, s.hi)}
	}
	f, fresh := c.flights.join(w, r, true, c.coldAround)
	switch {
	case fresh && c.launch(f):
	case fresh:
		return nil, nil
	case f != nil && !c.wantsRest(f, span{r, s.hi}) && c.soonerAlone(f, r):
		return c.overtake(r, f), nil
	}
	return f, nil
}

// ahead starts the fetch of region r, if it is cold and on nobody's way, for a reader who will want
// it next and those up to hi.
func (c *Clone) ahead(r, hi uint64) {
	if _, others := c.posts.at(r); others {
		return
	}
	if f, fresh := c.flights.join(c.window(r, hi), r, true, c.coldAround); fresh {
		c.launch(f)
	}
}

// launch starts f, which is in the table, unless another process is seen to have had the same
// thought: then it is out of the table again, and whoever has joined it looks again.
func (c *Clone) launch(f *flight) bool {
	if !c.post(f) {
		c.flights.remove(f)
		f.end(errGrounded)
		return false
	}
	c.start(f)
	return true
}

// overtake asks again for the little that is needed now, cold region r, because the rest of what
// will bring it, slow or another process' (nil), is long. That one's own copy, when it gets there, is
// found local and passed over.
func (c *Clone) overtake(r uint64, slow *flight) *flight {
	s := c.coldRunAt(c.geo.align(span{r, r + 1}, c.minWindow()), r)
	if s.empty() {
		return nil
	}
	f, fresh := c.flights.overtake(newFlight(s, true), r, slow)
	if !fresh {
		return f
	}
	_, n := c.geo.bytes(f.span)
	c.head().Refetched.Add(uint64(n))
	c.posts.add(f) // whatever else is posted there
	c.start(f)
	return f
}

// coldAround is the largest span of regions around at within s that are cold and that no other
// process is fetching; empty when at is no such region.
func (c *Clone) coldAround(s span, at uint64) span {
	return c.coldRunAt(c.posts.trim(s, at), at)
}

// coldRunAt is the largest span of cold regions around at within s, empty when at is local.
func (c *Clone) coldRunAt(s span, at uint64) span {
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
	want := c.geo.align(span{r, r + 1}, c.minWindow())
	if c.seq.next == r && r > 0 {
		c.seq.size = min(2*c.seq.size, maxWindow)
		want = span{r, min(r+max(uint64(c.seq.size)>>c.geo.shift, 1), c.geo.count)}
	} else {
		c.seq.size = c.minWindow()
	}
	want.hi = max(want.hi, min(hi, most))
	c.seq.lo, c.seq.next = want.lo, want.hi
	return want
}

func (c *Clone) minWindow() int64 { return cmp.Or(c.opts.window, c.pace.window()) }

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
	if _, n := c.geo.bytes(f.span); f.early && n <= wholeFetch && most == 0 {
		return false // it was sent before ours would be, and is hardly larger
	}
	return !f.demand && f.estimate(c.pace, r, c.geo, most) > c.pace.alone()
}

// wantsRest tells whether a reader who wants s wants all that f brings from there on, and that is a
// lot: then a request of his own for the first of it brings him the last of it no sooner, unless f is
// held back by the cap.
func (c *Clone) wantsRest(f *flight, s span) bool {
	free := f.demand || c.head().Bandwidth.Load() == 0
	return free && f.hi <= s.hi && c.geo.start(s.hi)-c.geo.start(s.lo) > smallFetch
}

// start runs f in a goroutine of the clone.
func (c *Clone) start(f *flight) {
	if !c.spawn(func() { c.fly(f, nil, nil) }) {
		c.ground(f)
	}
}

// ground ends f, which could not be begun because the clone is being closed.
func (c *Clone) ground(f *flight) {
	f.post.release()
	c.flights.remove(f)
	f.end(ErrClosed)
}

var buffers = sync.Pool{New: func() any { b := make([]byte, buffer); return &b }}

// fly fetches f's span and deals with it. within, unless nil, limits what it does with the source;
// after, unless nil, is told how far it has come. It returns when f has ended.
func (c *Clone) fly(f *flight, within func(source.Source) source.Source, after func(next uint64) error) (err error) {
	defer func() {
		if fault := c.faulted(recover()); fault != nil {
			c.flights.remove(f)
			f.end(fault)
			err = fault
		}
	}()
	parent := c.ctx
	if f.demand {
		c.demands.begin()
		defer c.demands.end()
	} else {
		parent = source.InBackground(parent)
	}
	// No word from the source for this long, or next to none, ends the flight, whoever waits for it.
	ctx, cancel := context.WithCancelCause(parent)
	defer cancel(nil)
	// It may run when the flight, and even the clone with its shared memory, is gone: Stop waits for
	// nobody.
	timeout := c.timeout()
	watchdog := time.AfterFunc(timeout, func() {
		cancel(source.WithKind(fmt.Errorf("%w (%v)", ErrTimeout, timeout), source.Transient))
	})
	defer watchdog.Stop()
	from := source.Source(c.src)
	if f.begun != nil {
		from = f.begun
		defer f.begun.end()
	}
	src := source.Source(&watched{from, watchdog, timeout})
	if within != nil {
		src = within(src)
	}

	err = c.stream(ctx, f, src, after)
	if cause := context.Cause(ctx); err != nil && cause != nil && errors.Is(err, context.Canceled) {
		err = cause
	}
	if err != nil && c.ctx.Err() != nil {
		err = ErrClosed
	}
	if f.begun != nil {
		c.charge(f.begun.sent)
	}
	f.post.release()
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

func (c *Clone) stream(ctx context.Context, f *flight, src source.Source, after func(uint64) error) error {
	if done, err := c.take(ctx, f, after); done {
		return err
	}
	off, n := c.geo.bytes(f.span)
	begin := time.Now()
	stream, err := src.ReadRange(ctx, c.id, off, n)
	if err != nil {
		return err
	}
	defer stream.Close()
	if f.begun != nil {
		begin = f.sent // and when it was answered nobody knows
	} else {
		c.pace.answered(time.Since(begin))
	}
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
		if f.demand || f.early && n <= smallFetch {
			need = int(min(c.geo.regionSize(), left))
		}
		m, err := io.ReadAtLeast(stream, piece[have:], max(need-have, 0))
		c.head().Fetched.Add(uint64(m))
		have += m
		if k := c.geo.regions(at, int64(have)); k > 0 && have > 0 {
			k = min(k, f.hi-at)
			size := int(c.geo.start(at+k) - c.geo.start(at))
			unkept := c.install(ctx, f, span{at, at + k}, buf[:size])
			at += k
			have = copy(buf, buf[size:have])
			if unkept != nil {
				f.post.release() // no bit will tell the others
			}
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

// watched is the source with a watchdog that barks when not enough has come within a timeout: a
// connection that yields a byte now and then is as good as dead, and would keep its regions from
// ever being asked for again. What this process itself waits for, a bandwidth or a disk, is not the
// source's silence, and not counted.
type watched struct {
	src     source.Source
	dog     *time.Timer
	timeout time.Duration
}

// enough is how many bytes have to arrive within one timeout.
const enough = 4 << 10

func (w *watched) URL() string           { return w.src.URL() }
func (w *watched) Unwrap() source.Source { return w.src }
func (w *watched) Close() error          { return nil }

func (w *watched) Identify(ctx context.Context, n int64) (source.Identity, []byte, error) {
	w.dog.Reset(w.timeout)
	defer w.dog.Stop()
	return w.src.Identify(ctx, n)
}

func (w *watched) ReadRange(ctx context.Context, id source.Identity, off, n int64) (io.ReadCloser, error) {
	w.dog.Reset(w.timeout)
	defer w.dog.Stop()
	body, err := w.src.ReadRange(ctx, id, off, n)
	if err != nil {
		return nil, err
	}
	return &watchedBody{body: body, w: w, left: w.timeout}, nil
}

type watchedBody struct {
	body io.ReadCloser
	w    *watched
	left time.Duration // until the dog barks
	came int           // bytes since that was a whole timeout
}

func (b *watchedBody) Close() error { return b.body.Close() }

func (b *watchedBody) Read(p []byte) (int, error) {
	begun := time.Now()
	b.w.dog.Reset(b.left)
	n, err := b.body.Read(p)
	b.w.dog.Stop()
	b.left -= time.Since(begun)
	if b.came += n; b.came >= enough {
		b.left, b.came = b.w.timeout, 0
	}
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
