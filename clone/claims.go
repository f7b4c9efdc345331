package clone

import (
	"context"
	"fmt"
	"sync"
	"time"

	"hydrant/clone/state"
)

// claims is the table of who may change which cold regions now. A claim is first one in this
// process, against other goroutines, then a lock on the state file, against other processes. It
// is held for a copy from memory, never across the network, so waiting for one is short, unless
// another process was stopped in the middle: then ctx ends the wait.
type claims struct {
	file state.File

	mu   sync.Mutex // guards held
	held []*claim
}

type claim struct {
	span
	done chan struct{} // closed when released
}

// maxClaim bounds what one claim covers, in bytes: a writer of a gigabyte must not keep a reader
// of one region waiting for it all.
const maxClaim = 1 << 20

// acquire waits until nobody else has a claim that overlaps s, and takes it. Whoever claims
// several spans takes them ascending, one at a time.
func (c *claims) acquire(ctx context.Context, s span) (release func(), err error) {
	mine := &claim{span: s, done: make(chan struct{})}
	for {
		other := c.enter(mine)
		if other == nil {
			break
		}
		select {
		case <-other.done:
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		}
	}
	if err := c.lock(ctx, s); err != nil {
		c.leave(mine)
		return nil, err
	}
	return func() {
		// The lock first: another goroutine that enters must not find it still there.
		c.unlock(s)
		c.leave(mine)
	}, nil
}

// enter puts m into the table and returns nil, or returns a claim that is in the way.
func (c *claims) enter(m *claim) *claim {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, o := range c.held {
		if o.overlaps(m.span) {
			return o
		}
	}
	c.held = append(c.held, m)
	return nil
}

func (c *claims) leave(m *claim) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for i, o := range c.held {
		if o == m {
			last := len(c.held) - 1
			c.held[i] = c.held[last]
			c.held[last] = nil
			c.held = c.held[:last]
			break
		}
	}
	close(m.done)
}

// lock takes the lock against other processes. A blocking lock is no choice: the kernel detects
// no deadlock among these, and could not be interrupted by ctx.
func (c *claims) lock(ctx context.Context, s span) error {
	for wait := 50 * time.Microsecond; ; wait = min(2*wait, 20*time.Millisecond) {
		ok, err := c.file.TryLock(state.LockClaims+int64(s.lo), int64(s.len()), true)
		if err != nil {
			return fmt.Errorf("claim regions %d to %d: %w", s.lo, s.hi, err)
		}
		if ok {
			return nil
		}
		if err := sleep(ctx, wait); err != nil {
			return fmt.Errorf("claim regions %d to %d: %w: %w", s.lo, s.hi, ErrBusy, err)
		}
	}
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
