package clone

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sync"

	"hydrant/clone/state"
)

// Companions are the files that a database keeps beside its own, under its name and a suffix. A
// stranger that finds one plays it back into dest before it looks at dest's first bytes, so while
// the guard stands they have private names, which mean nothing to a stranger.
type Companions interface {
	// Conflict returns the name of a companion, public or private, that lies there before the
	// clone is made; "" for none.
	Conflict() (string, error)
	// InTheWay returns the name of a public companion that is not empty, "" for none. While the
	// guard stands none is the clone's.
	InTheWay() (string, error)
	// Publish gives what private companions there are their public names, durably; those that are
	// gone stay so.
	Publish() error
}

// companionSuffixes are those that SQLite's databases use; any other kind of blob has no files of
// such names.
var companionSuffixes = []string{"-wal", "-journal"}

// PrivateName is what the companion dest+suffix is called while the guard stands.
func PrivateName(dest, suffix string) string { return dest + state.Suffix + suffix }

// pathCompanions are the companions of the destination at a path.
type pathCompanions string

func (p pathCompanions) Conflict() (string, error) {
	for _, suffix := range companionSuffixes {
		for _, name := range []string{string(p) + suffix, PrivateName(string(p), suffix)} {
			_, err := os.Lstat(name)
			if err == nil {
				return name, nil
			}
			if !errors.Is(err, fs.ErrNotExist) {
				return "", err
			}
		}
	}
	return "", nil
}

func (p pathCompanions) InTheWay() (string, error) {
	for _, suffix := range companionSuffixes {
		st, err := os.Lstat(string(p) + suffix)
		switch {
		case errors.Is(err, fs.ErrNotExist):
		case err != nil:
			return "", err
		case st.Size() > 0 || !st.Mode().IsRegular():
			return string(p) + suffix, nil
		}
	}
	return "", nil
}

func (p pathCompanions) Publish() error {
	renamed := false
	for _, suffix := range companionSuffixes {
		err := os.Rename(PrivateName(string(p), suffix), string(p)+suffix)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return err
		}
		renamed = true
	}
	// Also when there are none: one that was deleted before, which SQLite does without syncing the
	// folder, would be back after a power loss, and lie beside a file that is no clone any more.
	err := state.SyncDir(filepath.Dir(string(p)))
	if !renamed && errors.Is(err, fs.ErrPermission) {
		return nil // who may not read the folder
	}
	return err
}

// names is the lock on what companions are called: shared by whoever is about to use a name,
// exclusive for who changes them. Against other processes it is a lock on the state file, which
// all sharers here hold together.
//
// While there are sharers more may come in, though somebody waits to be alone: one of them may be
// inside another's callback, and would wait for itself.
type names struct {
	mu      sync.Mutex // guards the rest
	sharers int
	owned   bool
	freed   broadcast // at each end of the last sharer, or of the owner
}

// Companions runs f, which may open, look for or delete companions, while their names hold still:
// private tells which hold now. Calls may be nested.
func (c *Clone) Companions(f func(private bool) error) (err error) {
	if c.look != nil {
		return c.look.companions(f)
	}
	leave, err := c.enter()
	if err != nil {
		return err
	}
	defer leave(&err)
	for c.guarded() {
		if err := c.shareNames(); err != nil {
			return fmt.Errorf("names of side files: %w", err)
		}
		if c.phase() != state.Completing {
			defer c.unshareNames()
			return f(c.guarded())
		}
		c.unshareNames()
		if err := c.settleNames(); err != nil {
			return err
		}
	}
	return f(false)
}

// settleNames finishes what somebody has begun who died, or failed, in phase completing: some
// companions may have their public names already and others not, and whoever took the wrong name
// for a WAL that others write to would begin a second one. Whoever began had made sure that no
// companion is in the middle of anything, and since then nobody has opened one: that begins here.
func (c *Clone) settleNames() error {
	if err := c.modeError(); err != nil {
		return err
	}
	return c.publishDest(c.ctx, c.timeout())
}

func (c *Clone) shareNames() error {
	ctx, cancel := context.WithTimeout(context.Background(), c.timeout())
	defer cancel()
	return c.names.when(ctx, func(n *names) (bool, error) {
		if n.owned {
			return false, nil
		}
		if n.sharers == 0 {
			if err := lockFile(ctx, c.st.File, state.LockNames, false); err != nil {
				return false, err
			}
		}
		n.sharers++
		return true, nil
	})
}

func (c *Clone) unshareNames() {
	c.names.mu.Lock()
	defer c.names.mu.Unlock()
	if c.names.sharers--; c.names.sharers == 0 {
		c.unlockFile(state.LockNames)
		c.names.freed.fire()
	}
}

// ownNames runs f while nobody uses a companion's name. ErrBusy when somebody does until ctx ends.
func (c *Clone) ownNames(ctx context.Context, f func() error) error {
	err := c.names.when(ctx, func(n *names) (bool, error) {
		if n.owned || n.sharers > 0 {
			return false, nil
		}
		n.owned = true
		return true, nil
	})
	if err != nil {
		return fmt.Errorf("names of side files: %w", err)
	}
	defer func() {
		c.names.mu.Lock()
		defer c.names.mu.Unlock()
		c.names.owned = false
		c.names.freed.fire()
	}()
	if err := lockFile(ctx, c.st.File, state.LockNames, true); err != nil {
		return fmt.Errorf("names of side files: %w", err)
	}
	defer c.unlockFile(state.LockNames)
	return f()
}

// when calls take until it says true, again whenever something has been given back.
func (n *names) when(ctx context.Context, take func(*names) (bool, error)) error {
	for {
		n.mu.Lock()
		freed := n.freed.next()
		ok, err := take(n)
		n.mu.Unlock()
		if ok || err != nil {
			return err
		}
		select {
		case <-freed:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}
