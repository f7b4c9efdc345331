package clone

import (
	"errors"
	"fmt"
	"sync"

	"hydrant/clone/state"
)

// errUnsynced is returned when dest could not be synced: what it holds is not known any more.
var errUnsynced = errors.New("sync")

// syncs is held shared by whoever syncs dest, until the mode says it if that failed: the kernel tells
// of a lost write once for each open file, which all of this process use, and it may be another one's
// write.
type syncs struct{ mu sync.RWMutex }

// synced calls f, which syncs dest, and says that it is synced only if nobody else's sync has failed
// meanwhile. A sync that fails, errUnsynced, leaves the mode ro. Processes have a file each, and are
// told each.
func (c *Clone) synced(f func() error) error {
	if err := c.syncOrSay(f); err != nil {
		return err
	}
	c.syncs.mu.Lock() // whoever was at it has said how it went
	defer c.syncs.mu.Unlock()
	return c.modeError()
}

// syncOrSay is synced for those who need not know whether all is.
func (c *Clone) syncOrSay(f func() error) error {
	c.syncs.mu.RLock()
	defer c.syncs.mu.RUnlock()
	err := f()
	if errors.Is(err, errUnsynced) {
		c.setMode(state.ReadOnly, err)
		err = fmt.Errorf("%w; %s: %w", ErrReadOnly, c.remedy(), err)
	}
	return err
}
