package clone

import (
	"context"
	"fmt"
	"math"

	"hydrant/clone/state"
)

// Truncate sets the size of dest. What is cut off is gone for good: when dest grows again it reads
// as zeros and never as the source. Durable after the next Sync.
func (c *Clone) Truncate(ctx context.Context, size int64) (err error) {
	leave, err := c.enter()
	if err != nil {
		return err
	}
	defer leave(&err)
	if size < 0 {
		return fmt.Errorf("truncate to %d: %w", size, ErrUsage)
	}
	if err := c.writable(); err != nil {
		return err
	}
	if err := c.square(ctx, size); err != nil {
		return err
	}
	if size >= c.geo.size {
		return c.truncateDest(size)
	}
	if size < state.FirstBytes && c.guarded() {
		return c.truncateGuard(ctx, size)
	}
	return c.cut(ctx, size)
}

// cut claims every region from the cut on, so that no copy under way can write past the new end,
// and makes them local once they are gone.
func (c *Clone) cut(ctx context.Context, size int64) error {
	s := span{c.geo.region(size), c.geo.count}
	if c.geo.start(s.lo) < size {
		// The region that is cut through keeps its front.
		for !c.local(s.lo) {
			if err := c.hydrateRegion(ctx, s.lo, s.lo+1); err != nil {
				return err
			}
		}
		c.markWritten(span{s.lo, s.lo + 1})
		// A crash may keep the cut and lose the bit. Whoever attaches then sees where dest ends, and
		// what is beyond that is not filled from the source: square, localBeyond.
		s.lo++
	}
	if s.empty() {
		if err := c.allowCut(ctx, size); err != nil {
			return err
		}
		return c.truncateDest(size)
	}
	release, err := c.claims.acquire(ctx, s)
	if err != nil {
		return err
	}
	defer release()
	if err := c.allowCut(ctx, size); err != nil {
		return err
	}
	if err := c.truncateDest(size); err != nil {
		return err
	}
	c.markWritten(s)
	c.publish(s)
	return nil
}

// allowCut makes durable that dest may be as short as size: whoever finds it shorter than that
// knows that somebody else has cut it.
func (c *Clone) allowCut(ctx context.Context, size int64) error {
	if c.geo.size-size <= c.maxCut.Load() {
		return nil
	}
	var cut int64
	err := c.updateSuper(ctx, func(sb *state.Superblock) {
		sb.Cut = max(sb.Cut, c.geo.size-size)
		cut = sb.Cut
	})
	if err != nil {
		return fmt.Errorf("record size %d in %s: %w", size, c.store.Name(), err)
	}
	c.maxCut.Store(cut)
	return nil
}

// checkCut takes the clone out of service when dest, of which size bytes are there, is shorter than
// anybody was allowed to make it: what is cut off would be read as zeros.
func (c *Clone) checkCut(size int64) error {
	if !c.guarded() || size >= c.geo.size-c.maxCut.Load() {
		return nil
	}
	sb, err := state.ReadSuperblock(c.st.File) // another process may have been allowed more
	if err != nil {
		return err
	}
	c.maxCut.Store(sb.Cut)
	if size >= c.geo.size-sb.Cut {
		return nil
	}
	err = fmt.Errorf("%s %w, while in use: it is %d bytes long and was at least %d",
		c.target.Name(), ErrShort, size, c.geo.size-sb.Cut)
	c.setMode(state.Failed, err)
	return err
}

// truncateGuard cuts dest shorter than the guard. Then nothing of the source is left to wait for:
// the clone is completed, and what is cut is an ordinary file.
func (c *Clone) truncateGuard(ctx context.Context, size int64) error {
	if err := c.cut(ctx, min(state.FirstBytes, c.geo.size)); err != nil {
		return err
	}
	if err := c.completeNow(ctx); err != nil {
		return err
	}
	return c.truncateDest(size)
}

func (c *Clone) truncateDest(size int64) error {
	if err := c.dst.Truncate(size); err != nil {
		return fmt.Errorf("truncate %s: %w", c.target.Name(), err)
	}
	c.head().Marks.Add(1)
	return nil
}

// findRagged notes the region that dest ends inside of, when that is not known to be written. A power
// loss leaves that when it keeps a cut, and a later write that ends there, and neither's bits.
// Hydrated is not enough: a copy that is adopted believes only what was written.
func (c *Clone) findRagged() error {
	c.ragged.Store(-1)
	size, err := c.dst.Size()
	if err != nil {
		return fmt.Errorf("size of %s: %w", c.target.Name(), err)
	}
	if r := c.geo.region(size); size < c.geo.size && c.geo.start(r) < size && !c.maps()[state.Written].Test(r) {
		c.ragged.Store(int64(r))
	}
	return nil
}

// square makes durable where dest ended inside a cold region, before dest may come to end behind
// that, at end: what was cut off is zeros then, and not the source's. The region is hydrated as far
// as dest goes.
func (c *Clone) square(ctx context.Context, end int64) error {
	r := c.ragged.Load()
	if r < 0 || end <= c.geo.start(uint64(r)) {
		return nil
	}
	s := span{uint64(r), uint64(r) + 1}
	for !c.local(s.lo) {
		if err := c.hydrateRegion(ctx, s.lo, s.hi); err != nil {
			return err
		}
	}
	c.markWritten(s)
	if err := c.commit(ctx); err != nil {
		return err
	}
	c.ragged.CompareAndSwap(r, -1)
	return nil
}

// Discard makes the whole regions inside [off, off+n) zeros, without storing them where dest can
// do that; the rest of the range is left as it is. Bytes past the source's end count as regions
// of the same size.
func (c *Clone) Discard(ctx context.Context, off, n int64) (err error) {
	leave, err := c.enter()
	if err != nil {
		return err
	}
	defer leave(&err)
	if off < 0 || n < 0 || off > math.MaxInt64-n {
		return fmt.Errorf("discard %d bytes at %d: %w", n, off, ErrUsage)
	}
	end, err := c.dst.Size()
	if err != nil || off >= end {
		return err
	}
	rs := c.geo.regionSize()
	lo, hi := (off+rs-1)/rs*rs, min(off+n, end)/rs*rs
	if off+n >= end && end <= c.geo.size {
		hi = end // the last region is whole when all there is of it is
	}
	for lo < hi {
		if err := c.writable(); err != nil {
			return err
		}
		m := min(hi-lo, max(maxClaim, rs))
		if err := c.discardSome(ctx, lo, m); err != nil {
			return err
		}
		lo += m
	}
	return nil
}

func (c *Clone) discardSome(ctx context.Context, off, n int64) error {
	s := c.geo.touched(off, n)
	if !s.empty() {
		release, err := c.claims.acquire(ctx, s)
		if err != nil {
			return err
		}
		defer release()
	}
	for r := s.lo; r < s.hi; r++ {
		if c.local(r) {
			c.markWritten(span{r, r + 1}) // the bits first, as for every write to what is local
		}
	}
	skip := int64(0)
	if off < state.FirstBytes && c.guarded() {
		skip = min(n, state.FirstBytes)
		if _, err := c.writeGuarded(make([]byte, skip), off); err != nil {
			return err
		}
	}
	if err := c.zero(off+skip, n-skip); err != nil {
		return fmt.Errorf("discard in %s: %w", c.target.Name(), err)
	}
	c.markWritten(s)
	c.publish(s)
	return nil
}
