package clone

import (
	"context"
	"errors"
	"fmt"

	"hydrant/dest"
	"hydrant/source"
)

// take lets the kernel copy flight f, when the source is a file on this machine and nobody waits: on
// a file system that can share blocks nothing is copied at all. The order is that of install, only
// that the bytes pass nobody's hands: claim → re-check → copy → publish. The source's identity is
// asked for before and after each copy, so what was copied of another version is not published.
//
// done tells whether the flight is over, err then how it ended. Otherwise it is to be streamed:
// whatever stands in the way here shows there, too, and is dealt with in one place. Regions that have
// been taken are local then, and passed over.
func (c *Clone) take(ctx context.Context, f *flight, after func(uint64) error) (done bool, err error) {
	src, ok := source.As[source.Opened](c.src)
	dst, ok2 := dest.As[dest.Taker](c.dst)
	if !ok || !ok2 || f.demand || c.untaken.Load() || c.head().Bandwidth.Load() != 0 || c.ledger != nil {
		return false, nil
	}
	c.src.count()
	f.answer()
	put := func(off, n int64) error { return c.takeIn(src, dst, off, n) }
	for at := f.lo; at < f.hi; {
		if ctx.Err() != nil {
			return true, context.Cause(ctx)
		}
		s := span{at, min(f.hi, at+c.claimRegions())}
		if run := c.coldRun(s); !run.empty() {
			s = run
			if err := c.installRun(ctx, f, run, put); err != nil {
				if errors.Is(err, errors.ErrUnsupported) {
					c.untaken.Store(true)
				}
				return errors.Is(err, source.ErrChanged), err
			}
		}
		at = s.hi
		f.advance(at)
		if after != nil {
			if err := after(at); err != nil {
				return true, fmt.Errorf("%w: %w", errGrounded, err)
			}
		}
	}
	return true, nil
}

// takeIn copies [off, off+n) of the source's file into dest. Needs the claim on these regions.
func (c *Clone) takeIn(src source.Opened, dst dest.Taker, off, n int64) error {
	n, err := c.inDest(off, n)
	if err != nil || n == 0 {
		return err
	}
	if off == 0 && c.guarded() {
		return errFirst
	}
	if err := src.WithFile(c.id, func(fd uintptr) error { return dst.TakeFrom(fd, off, n) }); err != nil {
		return err
	}
	c.head().Fetched.Add(uint64(n))
	return nil
}

// errFirst: the guard stands where the first bytes would go.
var errFirst = errors.New("the first region is not copied whole")
