package clone

import (
	"fmt"

	"hydrant/clone/state"
)

func (c *Clone) mode() state.Mode { return state.Mode(c.head().Mode.Load()) }

// modeError is why the mode is not rw, nil when it is.
func (c *Clone) modeError() error {
	switch c.mode() {
	case state.ReadWrite:
		return nil
	case state.ReadOnly:
		if s := c.head().GetError(); s != "" {
			return fmt.Errorf("%w (%s)", ErrReadOnly, s)
		}
		return ErrReadOnly
	}
	return ErrFailed
}

// usable tells why nothing can be read.
func (c *Clone) usable() error {
	if c.closed.Load() {
		return ErrClosed // Close is waiting for us
	}
	if c.mode() >= state.Failed {
		return ErrFailed
	}
	return nil
}

// writable tells why nothing can be changed.
func (c *Clone) writable() error {
	if c.closed.Load() {
		return ErrClosed
	}
	return c.modeError()
}

// setMode goes down to mode m, for every process, before anybody is told of the error that is the
// reason. A clone never comes up again by itself: after a failed fsync the kernel may have thrown
// the data away and marked it clean, so a later success proves nothing.
func (c *Clone) setMode(m state.Mode, why error) {
	for {
		old := c.head().Mode.Load()
		if old >= uint64(m) {
			return
		}
		if c.head().Mode.CompareAndSwap(old, uint64(m)) {
			break
		}
	}
	c.trouble.mu.Lock()
	c.head().SetError(why.Error())
	c.trouble.mu.Unlock()
	c.emit(ModeChanged, why)
	c.changed.fire()
}
