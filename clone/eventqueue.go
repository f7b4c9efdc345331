package clone

import "sync"

// eventQueue hands events to Options.OnEvent in order, one at a time, from one goroutine that
// lives only while there are some.
type eventQueue struct {
	mu      sync.Mutex // guards the rest
	pending []Event
	busy    bool
}

func (c *Clone) emit(kind EventKind, err error) {
	if c.opts.OnEvent == nil {
		return
	}
	e := Event{Kind: kind, Err: err, Status: c.status()} // asks dest for its size: not under the mutex
	c.events.mu.Lock()
	defer c.events.mu.Unlock()
	c.events.pending = append(c.events.pending, e)
	if !c.events.busy {
		c.events.busy = c.spawn(c.deliver)
	}
}

func (c *Clone) deliver() {
	for {
		c.events.mu.Lock()
		if len(c.events.pending) == 0 {
			c.events.busy = false
			c.events.mu.Unlock()
			return
		}
		e := c.events.pending[0]
		c.events.pending = c.events.pending[1:]
		c.events.mu.Unlock()
		c.opts.OnEvent(e)
	}
}

// flush hands over what is left, when no goroutine can be begun any more.
func (q *eventQueue) flush(c *Clone) {
	q.mu.Lock()
	rest := q.pending
	q.pending = nil
	q.mu.Unlock()
	for _, e := range rest {
		c.opts.OnEvent(e)
	}
}
