package clone

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"time"

	"hydrant/clone/state"
	"hydrant/dest"
)

// zeroRun is the least run of zeros, in bytes, that is made a hole instead of being written.
const zeroRun = 64 << 10

// writeBytes bounds one write of fetched bytes to dest. Larger ones make the kernel look for larger
// pieces of free memory for its page cache: measured, 512 KiB at a time took twice the processor time of
// 128 KiB once memory was fragmented, and at worse times 256 KiB did; 64 KiB took a twentieth more.
const writeBytes = 128 << 10

// install puts the fetched bytes of s into dest, where the regions are still cold: claim →
// re-check → copy → publish. What cannot be kept is held aside in f for those who wait, and the
// first reason is returned. A region that became local meanwhile is passed over: what it holds is
// newer.
func (c *Clone) install(ctx context.Context, f *flight, s span, b []byte) (first error) {
	base := c.geo.start(s.lo)
	for lo := s.lo; lo < s.hi; {
		run := c.coldRun(span{lo, min(s.hi, lo+c.claimRegions())})
		if run.empty() {
			lo = max(run.hi, lo+1)
			continue
		}
		put := func(at, n int64) error { return c.copyNoted(b[at-base:at-base+n], at) }
		if err := c.installRun(ctx, f, run, put); err != nil {
			c.keepFailed(err)
			for r := run.lo; r < run.hi && f != nil; r++ {
				ro, rn := c.geo.bytes(span{r, r + 1})
				f.keepAside(r, b[ro-base:ro-base+rn], err)
			}
			first = cmp.Or(first, err)
		}
		lo = run.hi
	}
	if first == nil {
		c.seen(b, base)
	}
	return first
}

// coldRun is the first run of cold regions in s, cut to begin at its first cold one; empty and
// at s.hi when there is none.
func (c *Clone) coldRun(s span) span {
	lo := s.lo
	for lo < s.hi && c.local(lo) {
		c.settle(lo)
		lo++
	}
	hi := lo
	for hi < s.hi && !c.local(hi) {
		hi++
	}
	return span{lo, hi}
}

// settle finishes what a writer that died between its two bits left: written, not hydrated.
func (c *Clone) settle(r uint64) {
	if !c.hydrated().Test(r) {
		c.hydrated().Set(r, r+1)
	}
}

func (c *Clone) claimRegions() uint64 { return max(uint64(maxClaim)>>c.geo.shift, 1) }

// patience is how long fetched bytes wait for a claim. When another process was stopped with it in
// its hands, they are better given to those who wait for them, and the region left cold.
const patience = time.Second

// installRun makes what is cold of s local. put brings the bytes of a range into dest.
func (c *Clone) installRun(ctx context.Context, f *flight, s span, put func(off, n int64) error) error {
	if c.mode() != state.ReadWrite || c.full.Load() && !c.destDue() {
		return errNotKeeping
	}
	wait := min(patience, c.timeout()/2)
	if f != nil && f.tired {
		wait = time.Millisecond
	}
	ctx, cancel := context.WithTimeoutCause(ctx, wait, ErrBusy)
	defer cancel()
	release, err := c.claims.acquire(ctx, s)
	if err != nil {
		if f != nil {
			f.tired = true // those behind are not to wait as long, each in its turn
		}
		return fmt.Errorf("%w: %w", errNotClaimed, err)
	}
	defer release()
	for lo := s.lo; lo < s.hi; {
		run := c.coldRun(span{lo, s.hi})
		if run.empty() {
			break
		}
		off, n := c.geo.bytes(run)
		if err := put(off, n); err != nil {
			return err
		}
		c.publish(run)
		lo = run.hi
	}
	c.destWorks()
	return nil
}

// publish makes regions whose bytes are in dest local.
func (c *Clone) publish(s span) {
	added := c.hydrated().Set(s.lo, s.hi)
	fresh := c.fresh.Add(int64(added) << c.geo.shift)
	if missing := c.missing.Add(-int64(added)); missing <= 0 || fresh >= commitBytes {
		c.poke()
	}
}

var (
	errNotKeeping = errors.New("nothing is kept")
	errNotClaimed = errors.New("not kept")
)

// copyNoted is copyIn, with a note in the ledger.
func (c *Clone) copyNoted(b []byte, off int64) error {
	err := c.copyIn(b, off)
	if err == nil {
		c.ledger.add(off, b)
	}
	return err
}

// copyIn writes source bytes to dest. Zeros are punched or written, never passed over: what dest
// holds there may be the rest of a write that a crash undid. Needs the claim on these regions.
func (c *Clone) copyIn(b []byte, off int64) error {
	n, err := c.inDest(off, int64(len(b)))
	if err != nil {
		return err
	}
	b = b[:n]
	if off == 0 && c.guarded() {
		// Until now region 0 was cold, so the first bytes were the source's, whatever a writer
		// that died may have left.
		var first [state.FirstBytes]byte
		n := copy(first[:], b)
		c.head().SetFirst(first)
		c.head().Marks.Add(1)
		b, off = b[n:], int64(n)
	}
	for len(b) > 0 {
		n := zeros(b)
		if n == len(b) || n >= zeroRun {
			if err := c.zero(off, int64(n)); err != nil {
				return err
			}
		} else {
			n = min(data(b), writeBytes)
			if _, err := c.dst.WriteAt(b[:n], off); err != nil {
				return err
			}
		}
		b, off = b[n:], off+int64(n)
	}
	return nil
}

// inDest is how many of the n bytes at off lie in dest. Where dest was cut inside a region and the
// record of that region was lost, the region ends where dest does.
func (c *Clone) inDest(off, n int64) (int64, error) {
	size, err := c.dst.Size()
	if err != nil || off+n <= size {
		return n, err
	}
	return max(size-off, 0), c.checkCut(size)
}

// zero makes [off, off+n) of dest zeros.
func (c *Clone) zero(off, n int64) error {
	if p, ok := dest.As[dest.Puncher](c.dst); ok && n >= zeroRun {
		err := p.Punch(off, n)
		if err == nil || !errors.Is(err, errors.ErrUnsupported) {
			return err
		}
	}
	for n > 0 {
		m := min(n, int64(len(nothing)))
		if _, err := c.dst.WriteAt(nothing[:m], off); err != nil {
			return err
		}
		off, n = off+m, n-m
	}
	return nil
}

var nothing [zeroRun]byte

// isNothing tells whether the first zeroRun bytes of b are zeros. It stops at the first that is not.
func isNothing(b []byte) bool { return *(*[zeroRun]byte)(b) == nothing }

// zeros is how many bytes of b are zeros before the first that is not.
func zeros(b []byte) int {
	n := 0
	for len(b)-n >= zeroRun && isNothing(b[n:]) {
		n += zeroRun
	}
	for n < len(b) && b[n] == 0 {
		n++
	}
	return n
}

// data is how many bytes of b to write before it is worth looking for zeros again.
func data(b []byte) int {
	for n := zeroRun; n+zeroRun <= len(b); n += zeroRun {
		if isNothing(b[n:]) {
			return n
		}
	}
	return len(b)
}

// keeping tells whether fetched bytes can be kept.
func (c *Clone) keeping() bool { return c.mode() == state.ReadWrite && !c.full.Load() }

// keepFailed notes why bytes could not be kept, when that is for dest to answer.
func (c *Clone) keepFailed(err error) {
	if !errors.Is(err, errNotKeeping) && !errors.Is(err, errNotClaimed) {
		c.destFailed(err)
	}
}

// notKept is why a fetched region was not put into dest, nil when it is worth another try.
func (c *Clone) notKept(why error) error {
	if err := c.modeError(); err != nil {
		return err
	}
	if errors.Is(why, errNotKeeping) {
		return c.hindered()
	}
	return why
}
