package clone

import (
	"context"
	"errors"
	"fmt"
	"io/fs"

	"hydrant/clone/state"
)

// Close ends this process's use of the clone. It makes everything durable, and when nobody else
// has the clone open it completes it if all is local, and detaches it if it is complete and not to
// be kept. Calls under way end with ErrClosed. Closing again returns the same error: ErrReadOnly or
// ErrFailed when the mode was rw and is so no more, since then what was written may not be durable.
func (c *Clone) Close() error {
	if c.look != nil {
		return c.look.close()
	}
	c.once.Do(func() { c.ended = c.close() })
	return c.ended
}

func (c *Clone) close() error {
	c.halt()
	err := c.letGo()
	c.events.flush(c)
	return err
}

// halt refuses further calls, ends those that wait, and waits for the clone's goroutines.
func (c *Clone) halt() {
	c.leave()
	c.quiescing <- struct{}{} // when who is at it has left; nobody begins any more
	<-c.quiescing
	_ = c.guard(func() error { c.remember(); return nil })
	c.closed.Store(true)
	c.cancel()
	c.spawnMu.Lock()
	c.noMore = true
	c.spawnMu.Unlock()
	c.changed.fire()
	c.wg.Wait()
}

// letGo waits until every call has left, and gives everything back.
func (c *Clone) letGo() error {
	c.inside.Lock()
	defer c.inside.Unlock()
	return errors.Join(c.guard(c.settleDown), c.dst.Close(), c.st.File.Close(), c.src.Close())
}

// settleDown makes everything durable, and does what is left for the last process.
func (c *Clone) settleDown() error {
	if err := c.broken.Load(); err != nil {
		return *err
	}
	var errs []error
	switch {
	case c.mode() != state.ReadWrite:
		if c.begunWritable {
			// Nobody else may have been told that what was written before is lost.
			errs = append(errs, c.modeError())
		}
	case c.detached.Load():
		errs = append(errs, c.dst.Sync()) // what was written since the clone was complete
	default:
		c.keepTouches()
		errs = append(errs, c.checkpoint())
	}
	last, err := c.last()
	errs = append(errs, err)
	if last {
		errs = append(errs, c.closeLast())
	}
	c.remember()
	return errors.Join(errs...)
}

// remember keeps what is still asked for when the shared memory has gone.
func (c *Clone) remember() {
	s := c.status()
	c.final.Store(&s)
	c.whole.Store(!c.guarded())
}

// last tells whether no other process has the clone open, and keeps others out when it is so.
func (c *Clone) last() (bool, error) {
	f := c.st.File
	if last, err := f.TryLock(state.LockAttach, 1, true); last || err != nil {
		return last, err
	}
	// Another process may be closing too, and find us in its way as we find it. So let go and try
	// again: then one of the two is the last.
	if err := f.Unlock(state.LockAttach, 1); err != nil {
		return false, err
	}
	if last, err := f.TryLock(state.LockAttach, 1, true); !last || err != nil {
		return false, err
	}
	return f.Current() // one that came and went in between may have taken it all away
}

// closeLast does what only the last process may.
func (c *Clone) closeLast() error {
	ctx, cancel := context.WithTimeout(context.Background(), c.timeout())
	defer cancel()
	if c.mode() == state.ReadWrite {
		if err := c.tryComplete(ctx, false); err != nil {
			return err
		}
	}
	if c.phase() == state.Complete && c.head().Hold.Load() == 0 && c.mode() == state.ReadWrite {
		// Who may not do that has done his part: somebody else will, or it stays.
		if err := c.removeState(); !errors.Is(err, fs.ErrPermission) {
			return err
		}
	}
	if c.phase() == state.Live && c.mode() == state.ReadWrite {
		if err := c.renewPair(ctx); err != nil {
			return err
		}
	}
	return c.updateSuper(ctx, func(sb *state.Superblock) {
		sb.Clean = c.mode() == state.ReadWrite
		sb.Phase = max(sb.Phase, c.phase())
	})
}

// renewPair makes what was copied while the clone was open no match for what is left now.
func (c *Clone) renewPair(ctx context.Context) error {
	return c.changeSuper(ctx, func(sb *state.Superblock) error {
		if err := renewPair(c.st.File, c.dst, sb); err != nil {
			c.setMode(state.ReadOnly, err)
			return err
		}
		return nil
	})
}

// removeState takes the state file away. Needs the attach lock exclusively and phase complete.
func (c *Clone) removeState() error {
	if c.detached.Load() {
		return nil
	}
	if current, err := c.st.File.Current(); err != nil {
		return err
	} else if !current {
		return fmt.Errorf("%s %w", c.store.Name(), ErrReplaced)
	}
	if err := c.store.Remove(); err != nil {
		return fmt.Errorf("remove %s: %w", c.store.Name(), err)
	}
	c.detached.Store(true)
	return nil
}

// Detach removes the state file of a complete clone, also of one that is kept: from then on dest
// is a plain file, for this process as well. Errors: ErrIncomplete; ErrBusy while other processes
// have the clone open.
func (c *Clone) Detach(ctx context.Context) (err error) {
	leave, err := c.enter()
	if err != nil {
		return err
	}
	defer leave(&err)
	if c.detached.Load() {
		return nil
	}
	if err := c.tryComplete(ctx, true); err != nil {
		return err
	}
	if c.guarded() {
		s := c.status()
		return fmt.Errorf("%s: %w (%.1f %%)", c.target.Name(), ErrIncomplete, s.Percent())
	}
	alone, err := c.st.File.TryLock(state.LockAttach, 1, true)
	if err != nil {
		return err
	}
	if !alone {
		return inUse(c.target.Name(), c.st.File)
	}
	return c.removeState()
}
