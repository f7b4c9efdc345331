package clone

import (
	"context"
	"fmt"

	"hydrant/clone/state"
)

// WriteAt writes p at off, growing dest where it must. When it has returned the bytes are read by
// everyone, and survive the process; after a later Sync they survive anything. What is written
// over whole is not fetched.
//
// It returns n < len(p) only with an error: the first n bytes are there, and of the rest some
// may be. Errors: ErrReadOnly, dest's own, and all of ReadAt's for a partial write to a cold
// region.
func (c *Clone) WriteAt(ctx context.Context, p []byte, off int64) (_ int, err error) {
	leave, err := c.enter()
	if err != nil {
		return 0, err
	}
	defer leave(&err)
	if off < 0 {
		return 0, fmt.Errorf("write at %d: %w", off, ErrUsage)
	}
	if err := c.writable(); err != nil {
		return 0, err
	}
	if err := c.square(ctx, off+int64(len(p))); err != nil {
		return 0, err
	}
	done := 0
	for done < len(p) {
		if err := c.writable(); err != nil {
			return done, err
		}
		n, err := c.writeSome(ctx, p[done:], off+int64(done))
		done += n
		if err != nil {
			return done, err
		}
	}
	return done, nil
}

// writeSome writes the first bytes of p, or none when a cold region had to be fetched first.
func (c *Clone) writeSome(ctx context.Context, p []byte, off int64) (int, error) {
	r, n := c.geo.region(off), int64(len(p))
	if off >= c.geo.size {
		return c.writeDest(p, off)
	}
	if c.local(r) {
		return c.writeLocal(ctx, p[:c.localRun(r, off, n)], off)
	}
	if whole := c.geo.covered(off, n); whole.lo == r && !whole.empty() {
		return c.overwrite(ctx, p, off, span{r, min(whole.hi, r+c.claimRegions())})
	}
	return 0, c.hydrateRegion(ctx, r, r+1)
}

// writeLocal changes regions that are local already. The bits come first: what is in dest without
// them would not be written back, while a bit too many only means that a region is.
func (c *Clone) writeLocal(ctx context.Context, p []byte, off int64) (int, error) {
	s := c.geo.touched(off, int64(len(p)))
	if off < state.FirstBytes && c.guarded() {
		return c.writeFirst(ctx, p, off, s)
	}
	c.markWritten(s)
	return c.writeDest(p, off)
}

// writeFirst changes bytes that the guard stands for on disk, under the claim on region 0, which
// whoever takes the guard down holds too.
func (c *Clone) writeFirst(ctx context.Context, p []byte, off int64, s span) (int, error) {
	release, err := c.claims.acquire(ctx, span{0, 1})
	if err != nil {
		return 0, err
	}
	defer release()
	c.markWritten(s)
	return c.writeGuarded(p, off)
}

// writeGuarded writes p to dest, but for bytes 0–15 while the guard stands: those go to the
// header. Needs the claim on region 0 when off is below 16.
func (c *Clone) writeGuarded(p []byte, off int64) (int, error) {
	if off >= state.FirstBytes || !c.guarded() {
		return c.writeDest(p, off)
	}
	first := c.head().GetFirst()
	n := copy(first[off:], p)
	if err := c.writeUnguarded(first); err != nil {
		return 0, err
	}
	c.head().SetFirst(first)
	c.head().Marks.Add(1)
	if n == len(p) {
		return n, nil
	}
	m, err := c.writeDest(p[n:], off+int64(n))
	return n + m, err
}

// writeUnguarded writes the first bytes to dest where the guard has gone already: whoever took it down
// died before he could say so, and the next to come takes what stands there for what was written last.
// All of them, since the kernel may have lost the write before. Needs the claim on region 0.
func (c *Clone) writeUnguarded(first [state.FirstBytes]byte) error {
	if c.phase() != state.Completing {
		return nil
	}
	front, err := readFront(c.dst)
	if err != nil {
		return fmt.Errorf("read %s: %w", c.target.Name(), err)
	}
	if state.IsGuard(front) {
		return nil
	}
	_, err = c.writeDest(first[:], 0)
	return err
}

// overwrite writes whole regions of s, cold as far as is known, without fetching them:
// claim → copy → written, dirty → hydrated.
func (c *Clone) overwrite(ctx context.Context, p []byte, off int64, s span) (int, error) {
	release, err := c.claims.acquire(ctx, s)
	if err != nil {
		return 0, err
	}
	defer release()
	p = p[:min(int64(len(p)), c.geo.start(s.hi)-off)]
	for r := s.lo; r < s.hi; r++ {
		if c.local(r) {
			c.markWritten(span{r, r + 1}) // since we looked: then the bits come first
		}
	}
	n, err := c.writeGuarded(p, off)
	if err != nil {
		return 0, err // what was cold stays cold
	}
	c.markWritten(s)
	c.publish(s)
	return n, nil
}

// markWritten sets the bits of regions that the user changes or has changed.
func (c *Clone) markWritten(s span) {
	if c.maps()[state.Written].Set(s.lo, s.hi)+c.maps()[state.Dirty].Set(s.lo, s.hi) > 0 {
		c.head().Marks.Add(1)
	}
}

func (c *Clone) writeDest(p []byte, off int64) (int, error) {
	n, err := c.dst.WriteAt(p, off)
	if err != nil {
		err = fmt.Errorf("write to %s: %w", c.target.Name(), err)
	}
	return n, err
}
