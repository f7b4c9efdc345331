package clone

import (
	"hydrant/clone/state"
	"hydrant/dest"
)

// Owns tells whether path leads to the clone's destination: the open file, not its name.
func (c *Clone) Owns(path string) (_ bool, err error) {
	d, enter := c.dst, c.enter
	if c.look != nil {
		d, enter = c.look.dst, c.look.enter
	}
	leave, err := enter()
	if err != nil {
		return false, err
	}
	defer leave(&err)
	st, ok := dest.As[dest.Stater](d)
	if !ok {
		return path == c.target.Name(), nil
	}
	mine, err := state.IDOf(st.Fd())
	if err != nil {
		return false, err
	}
	theirs, err := state.IDOfPath(path)
	return err == nil && mine.SameFile(theirs), err
}

// LockFd is the descriptor that holds the clone's locks against other processes, for as long as any
// copy of it is open: a forked child has to close its own. It is valid until Close.
func (c *Clone) LockFd() (fd uintptr, ok bool) {
	st := c.st
	if c.look != nil {
		st = c.look.st
	}
	f, ok := st.File.(interface{ Fd() uintptr })
	if !ok {
		return 0, false
	}
	return f.Fd(), true
}
