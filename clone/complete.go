package clone

import (
	"context"
	"errors"
	"fmt"

	"hydrant/clone/state"
)

// Completing a clone takes its guard down. Each step is durable before the next begins, and each
// may be the last one before a crash:
//
//	dest is synced, the durable maps are full   (phase live)
//	phase completing: from here on nothing of the state is applied to dest
//	companions get their public names, dest its own first bytes, synced
//	phase complete
//
// Whoever attaches in phase completing finishes what is left, which may be nothing.

// tryComplete completes the clone when everything is local. With quiesce, the layer above first
// makes sure that nobody is in the middle of a transaction. nil also when there is nothing to do
// yet. An attempt that fails changes nothing that a later one would not want.
func (c *Clone) tryComplete(ctx context.Context, quiesce bool) error {
	c.completing.Lock()
	defer c.completing.Unlock()
	if c.phase() == state.Complete || c.countMissing() > 0 {
		return nil
	}
	if err := c.modeError(); err != nil {
		return err
	}
	if c.phase() == state.Live {
		if err := c.commit(ctx); err != nil {
			return err
		}
		if !c.durableAll() {
			return nil // somebody's bit came after the copy; next time
		}
	}
	publish := func() error { return c.publishDest(ctx) }
	if quiesce && c.opts.Quiesce != nil {
		return c.opts.Quiesce(ctx, publish)
	}
	return publish()
}

// completeNow completes the clone on behalf of a call that cannot go on without.
func (c *Clone) completeNow(ctx context.Context) error {
	if err := c.tryComplete(ctx, false); err != nil {
		return err
	}
	if c.phase() != state.Complete {
		return ErrIncomplete
	}
	return nil
}

// publishDest takes the guard down. Once dest bears its own first bytes the clone is complete for
// every process, whether or not that could be recorded: without the record, the next to attach
// finds no guard and has nothing to do.
func (c *Clone) publishDest(ctx context.Context) error {
	first := false
	err := c.ownNames(ctx, func() error {
		if c.phase() == state.Complete {
			return nil
		}
		release := func() {}
		if c.geo.count > 0 {
			var err error
			if release, err = c.claims.acquire(ctx, span{0, 1}); err != nil {
				return err
			}
		}
		defer release()
		if c.phase() == state.Live {
			if err := c.recordPhase(ctx, state.Completing); err != nil {
				return err
			}
			c.head().Phase.Store(uint64(state.Completing))
		}
		if err := unguard(c.dst, c.st.Super.Guard(), c.head().GetFirst(), c.comp); err != nil {
			err = fmt.Errorf("complete %s: %w", c.target.Name(), err)
			if errors.Is(err, errUnsynced) {
				c.setMode(state.ReadOnly, err)
			}
			return err
		}
		c.head().Phase.Store(uint64(state.Complete))
		first = true
		return c.recordPhase(ctx, state.Complete)
	})
	if first {
		c.emit(Completed, nil)
		c.changed.fire()
		nudge(c.wake)
	}
	return err
}

// recordPhase makes the phase durable.
func (c *Clone) recordPhase(ctx context.Context, p state.Phase) error {
	err := c.updateSuper(ctx, func(sb *state.Superblock) { sb.Phase = max(sb.Phase, p) })
	if err != nil {
		return fmt.Errorf("record phase %v in %s: %w", p, c.store.Name(), err)
	}
	return nil
}

// updateSuper changes the superblock, which other processes may be changing too.
func (c *Clone) updateSuper(ctx context.Context, change func(*state.Superblock)) error {
	c.logMu.Lock()
	defer c.logMu.Unlock()
	if err := lockFile(ctx, c.st.File, state.LockSuper, true); err != nil {
		return err
	}
	defer c.unlockFile(state.LockSuper)
	sb, err := state.ReadSuperblock(c.st.File)
	if err != nil {
		return err
	}
	change(sb)
	return state.WriteSuperblock(c.st.File, sb)
}

// countMissing counts the regions that are not local, in all processes' eyes.
func (c *Clone) countMissing() uint64 {
	n := c.geo.count - c.countLocal()
	c.missing.Store(int64(n))
	return n
}

func (c *Clone) countLocal() uint64 {
	n := c.hydrated().Count()
	if n == c.geo.count {
		return n
	}
	// Written without hydrated is what a writer that died left: rare, and counted here.
	for r, ok := c.maps()[state.Written].NextSet(0, c.geo.count); ok; r, ok = c.maps()[state.Written].NextSet(r+1, c.geo.count) {
		if !c.hydrated().Test(r) {
			n++
		}
	}
	return n
}
