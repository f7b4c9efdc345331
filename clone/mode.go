package clone

import (
	"fmt"

	"hydrant/clone/state"
)

func (c *Clone) mode() state.Mode { return state.Mode(c.head().Mode.Load()) }

// modeError is why the mode is not rw, nil when it is.
func (c *Clone) modeError() error {
	err := ErrReadOnly
	switch c.mode() {
	case state.ReadWrite:
		return nil
	case state.Failed:
		err = ErrFailed
	}
	if s := c.head().GetError(); s != "" {
		return fmt.Errorf("%w; %s (%s)", err, c.remedy(), s)
	}
	return fmt.Errorf("%w; %s", err, c.remedy())
}

// remedy says what to do about a mode that is not rw.
func (c *Clone) remedy() string {
	return "close it everywhere, then: hydrant recover " + c.target.Name()
}

// usable tells why nothing can be read.
func (c *Clone) usable() error {
	if c.closed.Load() {
		return ErrClosed // Close is waiting for us
	}
	if c.mode() >= state.Failed {
		return c.modeError()
	}
	return nil
}

// Writable tells why nothing can be changed, nil when it can: ErrReadOnly, ErrFailed, ErrClosed.
func (c *Clone) Writable() (err error) {
	leave, err := c.enter()
	if err != nil {
		return err
	}
	defer leave(&err)
	return c.writable()
}

// writable tells why nothing can be changed.
func (c *Clone) writable() error {
	if c.closed.Load() {
		return ErrClosed
	}
	return c.modeError()
}

// setMode goes down to mode m, for every process, before anybody is told of the error that is the
// reason. A clone never comes up again but by Recover: after a failed fsync the kernel may have thrown
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
	func() {
		c.trouble.mu.Lock()
		defer c.trouble.mu.Unlock()
		c.head().SetError(why.Error())
	}()
	c.emit(ModeChanged, why)
	c.changed.fire()
}
