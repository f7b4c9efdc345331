package clone

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"syscall"
	"time"

	"hydrant/clone/state"
	"hydrant/source"
)

// trouble is what keeps the clone from hydrating.
type trouble struct {
	mu      sync.Mutex // guards the rest
	stall   error      // why the source fails for good; nil: it does not
	probing bool
}

// set puts the error where every process sees it.
func (t *trouble) set(c *Clone, err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if err == nil {
		c.head().SetError("")
		return
	}
	c.head().SetError(err.Error())
}

// stalled is why cold bytes cannot be had, nil when they can.
func (c *Clone) stalled() error {
	c.trouble.mu.Lock()
	defer c.trouble.mu.Unlock()
	return c.trouble.stall
}

// fetchFailed judges the end of a flight. A transient error was tried again as often as made
// sense: whoever waited is told, and the background waits a while. Any other is final.
func (c *Clone) fetchFailed(err error) {
	if errors.Is(err, ErrClosed) || c.ctx.Err() != nil {
		return
	}
	if source.KindOf(err) == source.Final {
		c.stall(err)
		return
	}
	c.trouble.set(c, err)
}

// stall stops hydration and fails cold reads at once, until a probe of the source succeeds.
func (c *Clone) stall(why error) {
	c.trouble.mu.Lock()
	c.trouble.stall = fmt.Errorf("%w: %w", ErrStalled, why)
	probe := !c.trouble.probing
	c.trouble.probing = true
	c.trouble.mu.Unlock()
	c.trouble.set(c, why)
	c.head().Activity.Store(uint64(state.Stalled))
	if probe {
		c.emit(Stall, why)
		if !c.spawn(c.probe) {
			return
		}
	}
	c.changed.fire()
}

// probe is the goroutine that asks the source for one byte, ever less often, until it answers.
func (c *Clone) probe() {
	for wait := time.Second; ; wait = min(2*wait, 30*time.Second) {
		if sleep(c.ctx, wait) != nil {
			return
		}
		if c.probeOnce() == nil {
			break
		}
	}
	c.trouble.mu.Lock()
	c.trouble.stall, c.trouble.probing = nil, false
	c.trouble.mu.Unlock()
	c.trouble.set(c, nil)
	c.head().Activity.Store(uint64(state.Hydrating))
	c.emit(Resumed, nil)
	c.changed.fire()
	nudge(c.wake)
}

func (c *Clone) probeOnce() error {
	ctx, cancel := context.WithTimeout(c.ctx, c.timeout())
	defer cancel()
	var b [1]byte
	return source.ReadAll(ctx, c.src.inner, c.id, b[:], 0)
}

// diskFull stops keeping bytes; the hydrator looks for room from time to time.
func (c *Clone) diskFull(err error) {
	c.trouble.set(c, fmt.Errorf("disk is full: %s: %w; make room and it goes on", c.target.Name(), err))
	if c.full.CompareAndSwap(false, true) {
		c.head().Activity.Store(uint64(state.Paused))
		c.emit(DiskFull, err)
		c.changed.fire()
	}
}

// roomAgain is called when the disk has room.
func (c *Clone) roomAgain() {
	if c.full.CompareAndSwap(true, false) {
		c.trouble.set(c, nil)
		c.head().Activity.Store(uint64(state.Hydrating))
		c.changed.fire()
	}
}

// notKept is why a fetched region could not be put into dest.
func (c *Clone) notKept() error {
	if err := c.modeError(); err != nil {
		return err
	}
	if err := c.stalled(); err != nil {
		return err
	}
	return fmt.Errorf("%s: %w", c.head().GetError(), syscall.ENOSPC)
}
