package clone

import (
	"context"
	"errors"
	"fmt"
	"time"

	"hydrant/clone/state"
)

// keep is the goroutine that makes things durable without being asked: each second, and earlier
// when much has become local; it completes the clone when all is; and it notices what other
// processes have done since last, which is how things were before anybody could wait for a change.
func (c *Clone) keep(last observation) {
	tick := time.NewTicker(commitPeriod)
	defer tick.Stop()
	var seen uint64 // Written and Hydrated bits at the last commit
	var idle idleness
	var touched keepPace
	for c.phase() != state.Complete {
		select {
		case <-c.ctx.Done():
			return
		case <-c.pokes:
		case now := <-tick.C:
			if touched.due(now) {
				c.keepTouches()
			}
			c.nobody.Store(idle.look(c.head().HydBeat.Load()) && !c.hydrates.Load())
		}
		c.posts.renew()
		if now := c.observe(); now != last {
			last = now
			c.changed.fire()
			nudge(c.wake)
		}
		if c.mode() != state.ReadWrite {
			continue
		}
		if n := c.hydrated().Count() + c.head().Marks.Load(); n != seen {
			if c.commit(c.ctx) == nil {
				seen = n
			}
		}
		if c.countMissing() == 0 {
			c.completeOrSay()
		}
	}
	c.changed.fire()
}

// observation is what other processes may change under this one's waiters.
type observation struct {
	phase, mode, activity, knobs uint64
	nobody                       bool
}

func (c *Clone) observe() observation {
	h := c.head()
	return observation{h.Phase.Load(), h.Mode.Load(), h.Activity.Load(), h.KnobGen.Load(), c.nobody.Load()}
}

// idleness is how long the hydrator's heartbeat has not been heard, in looks. It goes by our own
// clock and not by the time in the heartbeat: after a machine was suspended everyone's is old.
type idleness struct {
	beat uint64
	same int
}

// silence is how many looks, a second apart, tell that nobody hydrates. Another process takes over
// within one.
const silence = 5

func (i *idleness) look(beat uint64) bool {
	if beat != i.beat {
		i.beat, i.same = beat, 0
		return false
	}
	i.same++
	return i.same >= silence
}

// nobodyHydrates is what to tell those who wait for the end.
func (c *Clone) nobodyHydrates() error {
	if pid := c.head().HydPID.Load(); pid != 0 {
		return fmt.Errorf("%w: no process hydrates it (%d did, and is stopped or gone)", ErrPaused, pid)
	}
	return fmt.Errorf("%w: no process hydrates it", ErrPaused)
}

// completeOrSay tries to complete. What stands in the way, mostly a transaction, goes away by
// itself, and the reason is there for status to show. Anything else is for somebody to set right,
// and those who wait are told.
func (c *Clone) completeOrSay() {
	ctx, cancel := context.WithTimeout(c.ctx, c.timeout())
	defer cancel()
	err := c.tryComplete(ctx, true)
	var end *hindrance
	if err != nil && !passes(err) {
		end = &hindrance{ErrPaused, err}
	}
	if err != nil && c.ctx.Err() == nil {
		c.change(func(t *trouble) { t.end, t.last = end, err })
		c.changed.fire()
		return
	}
	if c.phase() == state.Complete {
		c.change(func(t *trouble) { t.source, t.dest, t.end, t.low, t.last = nil, nil, nil, nil, nil })
	}
}

// passes tells of an error of completing that it goes away by itself, or is told in another way: as
// the mode, or as the source's damage.
func passes(err error) bool {
	for _, kind := range []error{ErrTransaction, ErrBusy, ErrClosed, ErrReadOnly, ErrFailed, ErrCorrupt, context.Canceled, context.DeadlineExceeded} {
		if errors.Is(err, kind) {
			return true
		}
	}
	return false
}
