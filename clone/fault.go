package clone

import (
	"fmt"
	"runtime/debug"

	"hydrant/clone/state"
)

// The maps and the header are a file's pages. The kernel cannot always give us one: when somebody
// has cut the state file, when its disk cannot be read, or, on a file system that writes every page
// to a new place, when that is full. Then the access itself fails, with SIGBUS, of which a process
// dies. Here it becomes an error: the clone has failed, for good, and the process lives.
//
// This is for Go alone. A fault in C, which only reads, ends the process.

// guard runs f, and returns a fault of the shared memory as an error.
func (c *Clone) guard(f func() error) (err error) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		if fault := c.faulted(recover()); fault != nil {
			err = fault
		}
	}()
	return f()
}

// whileMapped runs f, which maps the state file called name while there is no clone yet, or none at
// all, and returns a fault of what it has mapped as an error. f leaves nothing behind then but what it
// defers.
func whileMapped(name string, f func() error) (err error) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		p := recover()
		if p == nil {
			return
		}
		if _, ok := p.(interface{ Addr() uintptr }); !ok {
			panic(p)
		}
		err = fmt.Errorf("%s cannot be read through memory: was it cut just now, or is its disk full or broken?", name)
	}()
	return f()
}

// faulted notes, when p is a panic because of the shared memory, that the clone has failed, and
// returns that. Any other panic goes on.
func (c *Clone) faulted(p any) error {
	if p == nil {
		return nil
	}
	at, ok := p.(interface{ Addr() uintptr })
	if !ok || !c.st.Holds(at.Addr()) {
		panic(p)
	}
	err := fmt.Errorf("%w: the shared memory of %s cannot be accessed: was it cut, or is its disk full or broken? close the clone in all processes", ErrFailed, c.store.Name())
	if c.broken.CompareAndSwap(nil, &err) {
		// Other processes, if the header's own page is there.
		_ = c.guard(func() error { c.head().Mode.Store(uint64(state.Failed)); return nil })
		c.changed.fire()
	}
	return err
}

// brokenStatus is what can be said without the shared memory.
func (c *Clone) brokenStatus(why error) Status {
	sb := c.st.Super
	return Status{State: StateStalled, Mode: state.Failed.String(), Source: sb.URL, Identity: sb.Tag,
		Size: sb.Size, RegionSize: sb.RegionSize, RegionsTotal: c.geo.count, ETA: -1, Error: why.Error()}
}
