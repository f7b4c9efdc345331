package clone

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"hydrant/clone/state"
)

// ReadAt reads len(p) bytes at off, and io.EOF with what there is when dest ends before. Local
// bytes come from dest; cold ones are fetched, kept where possible, and waited for, each wait no
// longer than the timeout. It may be called at any time from any goroutine.
//
// Errors: ErrStalled, at once, for cold bytes while the source fails for good; ErrTimeout;
// ErrFailed; ErrClosed; ctx's; for a clone that is open for reading only, ErrMoved.
func (c *Clone) ReadAt(ctx context.Context, p []byte, off int64) (_ int, err error) {
	if c.look != nil {
		return c.look.readAt(ctx, p, off)
	}
	leave, err := c.enter()
	if err != nil {
		return 0, err
	}
	defer leave(&err)
	if off < 0 {
		return 0, fmt.Errorf("read at %d: %w", off, ErrUsage)
	}
	done := 0
	for done < len(p) {
		if err := c.usable(); err != nil {
			return done, err
		}
		n, err := c.readSome(ctx, p[done:], off+int64(done))
		done += n
		if err != nil {
			return done, err
		}
	}
	return done, nil
}

// readSome reads the first bytes of p: at least one region of them, or none when what was cold
// has become local and is to be looked at again.
func (c *Clone) readSome(ctx context.Context, p []byte, off int64) (int, error) {
	r := c.geo.region(off)
	if off >= c.geo.size || c.local(r) {
		if off < c.geo.size && !c.opts.NoTrace && c.guarded() {
			c.touches.noteLocal(c.geo, off, int64(len(p)))
		}
		return c.readLocal(p[:c.localRun(r, off, int64(len(p)))], off)
	}
	if err := c.stalled(); err != nil {
		return 0, err
	}
	if !c.opts.NoTrace {
		c.touches.note(off, int64(len(p)))
	}
	last := c.geo.touched(off, int64(len(p))).hi
	want, then := c.missed(off, int64(len(p)))
	want.hi = max(want.hi, last)
	f, err := c.demand(ctx, r, want)
	then()
	if f == nil {
		return 0, err
	}
	c.giveHint(f.hi)
	// While this one is on its way, ask for what comes after it.
	if next := c.flights.after(r); next < last && !c.local(next) {
		c.ahead(next, last)
	}
	return c.readAside(ctx, f, r, p, off)
}

// readAside waits for cold region r of f, in which off lies, and copies what could not be kept,
// of it and of those that follow: once f has ended they would have to be fetched again. It
// returns at the first region that is in dest.
func (c *Clone) readAside(ctx context.Context, f *flight, r uint64, p []byte, off int64) (int, error) {
	done := 0
	for ; r < f.hi && done < len(p); r++ {
		by, err := c.await(ctx, f, r)
		if errors.Is(err, errGrounded) {
			break
		} else if err != nil {
			return done, err
		}
		b, _ := by.aside(r)
		if b == nil || c.local(r) {
			break
		}
		at, from := off+int64(done), c.geo.start(r)
		n, err := c.inDest(from, int64(len(b)))
		if err != nil {
			return done, err
		}
		done += copy(p[done:], b[min(at-from, n):n])
		if from+n < c.geo.start(r+1) && done < len(p) {
			return done, io.EOF // dest ends here: what was cut off is not the source's any more
		}
	}
	return done, nil
}

// await waits for region r of f, no longer than the timeout, and returns the flight that has dealt with
// it: another one when f, which was begun when nobody was in a hurry, is late. Bandwidth that is capped,
// a connection that is slow, and what else shares these cannot all be foreseen when f is joined.
func (c *Clone) await(ctx context.Context, f *flight, r uint64) (*flight, error) {
	if err := c.stalled(); err != nil {
		return nil, err
	}
	if f.early { // a demand has begun when its own flight has
		c.demands.begin()
		defer c.demands.end()
	}
	timeout := c.timeout()
	ctx, cancel := context.WithTimeoutCause(ctx, timeout, fmt.Errorf("%w (%v)", ErrTimeout, timeout))
	defer cancel()
	err := c.awaitBriefly(ctx, f, r)
	if errors.Is(err, errLate) {
		g := c.overtake(r, f)
		if g == nil {
			return f, nil
		}
		f, err = g, g.await(ctx, r)
	}
	if err != nil {
		// Why a flight ended may be the reason that the clone is stalled; say it in one way.
		if s := c.stalled(); s != nil {
			return nil, s
		}
	}
	return f, err
}

const (
	// lateness is how late a flight has to be, at least, before what it brings is asked for again.
	lateness = 500 * time.Millisecond
	// mostAlone is how many times as long as a request of his own would take a reader waits for what he
	// wants all of, and which has become slow.
	mostAlone = 20
)

// errLate ends waiting for what was to come sooner.
var errLate = errors.New("late")

// awaitBriefly waits for region r of f. errLate: it takes much longer than it seemed to, and f is not
// just what a reader would ask for.
func (c *Clone) awaitBriefly(ctx context.Context, f *flight, r uint64) error {
	_, n := c.geo.bytes(f.span)
	if f.demand && n <= smallFetch {
		return f.await(ctx, r)
	}
	seemed, alone := f.estimate(c.pace, r, c.geo, float64(c.head().Bandwidth.Load())/sharers), c.pace.alone()
	patience := max(lateness, min(4*(seemed+alone), mostAlone*alone))
	ctx, cancel := context.WithTimeoutCause(ctx, min(patience, c.timeout()/2), errLate)
	defer cancel()
	return f.await(ctx, r)
}

// localRun is how many of the n bytes at off, which lies in local region r or past the source's
// end, are local up to the first that is not.
func (c *Clone) localRun(r uint64, off, n int64) int64 {
	if off >= c.geo.size {
		return n
	}
	end := c.geo.touched(off, n).hi
	for r < end && c.local(r) {
		r++
	}
	if r >= end {
		return n
	}
	return min(c.geo.start(r)-off, n)
}

// readLocal reads dest, with the logical first bytes laid over the guard.
func (c *Clone) readLocal(p []byte, off int64) (int, error) {
	guarded := c.guarded()
	n, err := c.dst.ReadAt(p, off)
	if err == nil && n < len(p) {
		err = io.ErrUnexpectedEOF
	}
	ended := errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) // and did not fail
	if end := off + int64(n); ended && n < len(p) && end < c.geo.size {
		if err := c.checkCut(end); err != nil {
			return 0, err
		}
	}
	if guarded && off < state.FirstBytes {
		first := c.head().GetFirst()
		copy(p[:n], first[off:])
	}
	if err != nil && !errors.Is(err, io.EOF) {
		err = fmt.Errorf("read %s: %w", c.target.Name(), err)
	}
	return n, err
}

// Hydrate makes [off, off+n) local and waits until it is.
func (c *Clone) Hydrate(ctx context.Context, off, n int64) (err error) {
	leave, err := c.enter()
	if err != nil {
		return err
	}
	defer leave(&err)
	if off < 0 || n < 0 {
		return fmt.Errorf("hydrate %d bytes at %d: %w", n, off, ErrUsage)
	}
	s := c.geo.touched(off, n)
	for r := s.lo; r < s.hi; {
		if err := c.usable(); err != nil {
			return err
		}
		if c.local(r) {
			r++
			continue
		}
		if err := c.hydrateRegion(ctx, r, s.hi); err != nil {
			return err
		}
	}
	return nil
}

// hydrateRegion makes cold region r local; the regions up to hi will be wanted next. An error says
// why it cannot be kept. After none the region is to be looked at again.
func (c *Clone) hydrateRegion(ctx context.Context, r, hi uint64) error {
	if err := c.stalled(); err != nil {
		return err
	}
	f, err := c.demand(ctx, r, span{r, hi})
	if f == nil {
		return err
	}
	if next := c.flights.after(r); next < hi && !c.local(next) {
		c.ahead(next, hi)
	}
	f, err = c.await(ctx, f, r)
	if errors.Is(err, errGrounded) {
		return nil // look again
	} else if err != nil {
		return err
	}
	if b, why := f.aside(r); b != nil && !c.local(r) {
		return c.notKept(why)
	}
	return nil
}
