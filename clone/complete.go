package clone

import (
	"context"
	"errors"
	"fmt"
	"time"

	"hydrant/clone/state"
	"hydrant/dest"
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
		if err := c.check(ctx); err != nil {
			return err
		}
		if err := c.commit(ctx); err != nil {
			return err
		}
		if !c.durableAll() {
			return nil // somebody's bit came after the copy; next time
		}
	}
	if quiesce && c.opts.Quiesce != nil {
		return c.quiesce(ctx)
	}
	return c.publishDest(ctx, c.timeout())
}

// quiesce has the layer above keep its users out while dest is published. It may have to write for
// that, as when it rolls a journal back, so Close waits for it while the clone can still be used.
func (c *Clone) quiesce(ctx context.Context) error {
	c.quiescing <- struct{}{}
	defer func() { <-c.quiescing }()
	if c.leaving.Err() != nil {
		return ErrClosed
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	defer context.AfterFunc(c.leaving, cancel)()
	return c.opts.Quiesce(ctx, func() error { return c.publishDest(ctx, min(publishPatience, c.timeout())) })
}

// check holds what was fetched against the source's checksum, where there is one and this process
// has fetched all of it. Damage is recorded before anybody is told.
func (c *Clone) check(ctx context.Context) error {
	sb, err := state.ReadSuperblock(c.st.File)
	if err != nil {
		return err
	}
	why := c.corrupt()
	if !sb.Corrupt {
		_, why = c.ledger.verdict(ctx)
		if !errors.Is(why, ErrCorrupt) {
			return why
		}
		if err := c.updateSuper(ctx, func(sb *state.Superblock) { sb.Corrupt = true }); err != nil {
			return err
		}
	}
	c.damaged(why)
	return c.doubted()
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

// publishPatience is how long completing waits for what other processes hold when the layer above
// keeps all of its users waiting meanwhile: one of those processes may have been stopped. It is
// tried again later.
const publishPatience = 100 * time.Millisecond

// publishDest takes the guard down; it waits no longer than patience for what others hold. Once
// dest bears its own first bytes the clone is complete for
// every process, whether or not that could be recorded: without the record, the next to attach
// finds no guard and has nothing to do.
func (c *Clone) publishDest(ctx context.Context, patience time.Duration) error {
	first := false
	brief, cancel := context.WithTimeoutCause(ctx, patience, ErrBusy)
	defer cancel()
	err := c.ownNames(brief, func() error {
		if c.phase() == state.Complete {
			return nil
		}
		release := func() {}
		if c.geo.count > 0 {
			var err error
			if release, err = c.claims.acquire(brief, span{0, 1}); err != nil {
				return err
			}
		}
		defer release()
		if c.phase() == state.Live {
			if err := c.wayIsFree(); err != nil {
				return err
			}
			if err := c.recordPhase(brief, state.Completing); err != nil {
				return err
			}
			c.head().Phase.Store(uint64(state.Completing))
		}
		err := c.synced(func() error {
			if err := unguard(c.dst, c.st.Super.Guard(), c.head().GetFirst(), c.comp); err != nil {
				return fmt.Errorf("complete %s: %w", c.target.Name(), err)
			}
			return nil
		})
		if err != nil {
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

// wayIsFree makes sure that what is about to get public names gets them beside its own dest, and
// that nobody else's companion is there: it would be played back into dest as soon as that is a
// database. From phase completing on such a companion is ours.
func (c *Clone) wayIsFree() error {
	if c.comp == nil {
		return nil
	}
	if s, ok := dest.As[dest.Stater](c.dst); ok {
		is, err := replaced(s, c.target.Name())
		if err != nil {
			return err
		}
		if is {
			return fmt.Errorf("complete %s: it %w: close it everywhere, and put back the file that belongs to %s",
				c.target.Name(), ErrReplaced, c.store.Name())
		}
	}
	name, err := c.comp.InTheWay()
	if err == nil && name != "" {
		err = fmt.Errorf("complete %s: %w: move %s away: it was put there by something else, and would be played back into it",
			c.target.Name(), ErrCompanion, name)
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
	return c.changeSuper(ctx, func(sb *state.Superblock) error { change(sb); return nil })
}

func (c *Clone) changeSuper(ctx context.Context, change func(*state.Superblock) error) error {
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
	if err := change(sb); err != nil {
		return err
	}
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
