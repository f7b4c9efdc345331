package clone

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"hydrant/clone/state"
)

// claims is the table of who may change which cold regions now. A claim is first one in this
// process, against other goroutines, then a lock on the state file, against other processes. It
// is held for a copy from memory, never across the network, so waiting for one is short, unless
// another process was stopped in the middle: then timeout ends the wait.
//
// In this process those that overlap are served in the order they came. Otherwise a claim on much,
// as a truncation needs, would wait for as long as there are others on little.
type claims struct {
	file    state.File
	timeout func() time.Duration // of the wait for a claim; nil: no bound but ctx

	mu   sync.Mutex // guards held
	held []*claim   // in the order they came; one that overlaps an earlier one waits for it
}

type claim struct {
	span
	done chan struct{} // closed when released, or given up
}

// maxClaim bounds what one claim covers, in bytes: a writer of a gigabyte must not keep a reader
// of one region waiting for it all.
const maxClaim = 1 << 20

// acquire waits until nobody else has a claim that overlaps s, which is not empty, and takes it.
// Whoever claims several spans takes them ascending, one at a time. ErrBusy when the wait takes
// too long.
func (c *claims) acquire(ctx context.Context, s span) (release func(), err error) {
	mine := &claim{span: s, done: make(chan struct{})}
	if c.enter(mine) {
		var ok bool
		if ok, err = c.tryLock(s); ok {
			return func() { c.release(mine) }, nil
		}
	}
	if err == nil {
		err = c.wait(ctx, mine)
	}
	if err != nil {
		c.leave(mine)
		return nil, fmt.Errorf("claim regions %d to %d: %w", s.lo, s.hi, err)
	}
	return func() { c.release(mine) }, nil
}

func (c *claims) release(m *claim) {
	// The lock first: another goroutine whose turn it is must not find it still there.
	c.unlock(m.span)
	c.leave(m)
}

// wait waits for m's turn, and for other processes.
func (c *claims) wait(ctx context.Context, m *claim) error {
	if c.timeout != nil {
		t := c.timeout()
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeoutCause(ctx, t, fmt.Errorf("%w for %v", ErrBusy, t))
		defer cancel()
	}
	for other := c.ahead(m); other != nil; other = c.ahead(m) {
		select {
		case <-other.done:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
	return c.lock(ctx, m.span)
}

// enter puts m at the end of the table and tells whether it is its turn already.
func (c *claims) enter(m *claim) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.held = append(c.held, m)
	return c.aheadLocked(m) == nil
}

// ahead is a claim that m has to wait for, nil when it is m's turn.
func (c *claims) ahead(m *claim) *claim {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.aheadLocked(m)
}

func (c *claims) aheadLocked(m *claim) *claim {
	for _, o := range c.held {
		if o == m {
			return nil
		}
		if o.overlaps(m.span) {
			return o
		}
	}
	return nil
}

func (c *claims) leave(m *claim) {
	c.mu.Lock()
	defer c.mu.Unlock()
	i := slices.Index(c.held, m)
	c.held = slices.Delete(c.held, i, i+1)
	close(m.done)
}

// lock takes the lock against other processes. A blocking lock is no choice: the kernel detects
// no deadlock among these, and could not be interrupted by ctx.
func (c *claims) lock(ctx context.Context, s span) error {
	for wait := 50 * time.Microsecond; ; wait = min(2*wait, 20*time.Millisecond) {
		if ok, err := c.tryLock(s); ok || err != nil {
			return err
		}
		if err := sleep(ctx, wait); err != nil {
			return err
		}
	}
}

func (c *claims) tryLock(s span) (bool, error) {
	return c.file.TryLock(state.LockClaims+int64(s.lo), int64(s.len()), true)
}

func (c *claims) unlock(s span) {
	// It fails only for a bad descriptor, and then the lock is gone as well.
	_ = c.file.Unlock(state.LockClaims+int64(s.lo), int64(s.len()))
}

func sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
