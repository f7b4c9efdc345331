package clone

import "sync"

// eventQueue hands events to Options.OnEvent in order, one at a time, from one goroutine that
// lives only while there are some.
type eventQueue struct {
	order   sync.Mutex // held over a change and the event that tells of it
	mu      sync.Mutex // guards the rest
	pending []Event
	busy    bool
}

// emit puts an event into the queue.
func (c *Clone) emit(kind EventKind, err error) {
	c.events.order.Lock()
	defer c.events.order.Unlock()
	c.emitLocked(kind, err)
}

// changeAndTell changes what is known of the trouble, and emits the event that tells of it if change
// returns that there is something to tell, as it then does too. What the change brings about at once,
// in another goroutine, is told of after it.
func (c *Clone) changeAndTell(change func(*trouble) bool, kind EventKind, err error) (told bool) {
	c.events.order.Lock()
	defer c.events.order.Unlock()
	c.change(func(t *trouble) { told = change(t) })
	if told {
		c.emitLocked(kind, err)
	}
	return told
}

// emitLocked is emit under the order.
func (c *Clone) emitLocked(kind EventKind, err error) {
	if c.opts.OnEvent == nil {
		return
	}
	e := Event{Kind: kind, Err: err, Status: c.status()} // asks dest for its size: not under the mutex of the queue
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
