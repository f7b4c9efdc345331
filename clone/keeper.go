package clone

import (
	"context"
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
	for c.phase() != state.Complete {
		select {
		case <-c.ctx.Done():
			return
		case <-c.pokes:
		case <-tick.C:
		}
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
type observation struct{ phase, mode, activity, knobs uint64 }

func (c *Clone) observe() observation {
	h := c.head()
	return observation{h.Phase.Load(), h.Mode.Load(), h.Activity.Load(), h.KnobGen.Load()}
}

// completeOrSay tries to complete. What stands in the way, mostly a transaction, goes away by
// itself; the reason is there for status to show.
func (c *Clone) completeOrSay() {
	ctx, cancel := context.WithTimeout(c.ctx, c.timeout())
	defer cancel()
	if err := c.tryComplete(ctx, true); err != nil && c.ctx.Err() == nil {
		c.say(err)
		return
	}
	if c.phase() == state.Complete {
		c.change(func(t *trouble) { t.source, t.dest, t.low, t.last = nil, nil, nil, nil })
	}
}
