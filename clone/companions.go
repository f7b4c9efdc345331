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
	// Publish gives what private companions there are their public names, durably.
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
	if !renamed {
		return nil
	}
	return state.SyncDir(filepath.Dir(string(p)))
}

// names is the lock on what companions are called: shared by whoever is about to use a name,
// exclusive for who changes them. In this process a mutex, against others a lock on the state
// file, which all sharers here hold together.
type names struct {
	rw sync.RWMutex

	mu      sync.Mutex // guards sharers
	sharers int
}

// Companions runs f, which may open, look for or delete companions, while their names hold still:
// private tells which hold now.
func (c *Clone) Companions(f func(private bool) error) error {
	leave, err := c.enter()
	if err != nil {
		return err
	}
	defer leave()
	c.names.rw.RLock()
	defer c.names.rw.RUnlock()
	if !c.guarded() {
		return f(false)
	}
	if err := c.shareNames(); err != nil {
		return err
	}
	defer c.unshareNames()
	return f(c.guarded())
}

func (c *Clone) shareNames() error {
	c.names.mu.Lock()
	defer c.names.mu.Unlock()
	if c.names.sharers == 0 {
		ctx, cancel := context.WithTimeout(context.Background(), c.timeout())
		defer cancel()
		if err := lockFile(ctx, c.st.File, state.LockNames, false); err != nil {
			return fmt.Errorf("names of side files: %w", err)
		}
	}
	c.names.sharers++
	return nil
}

func (c *Clone) unshareNames() {
	c.names.mu.Lock()
	defer c.names.mu.Unlock()
	if c.names.sharers--; c.names.sharers == 0 {
		c.unlockFile(state.LockNames)
	}
}

// ownNames runs f while nobody uses a companion's name.
func (c *Clone) ownNames(ctx context.Context, f func() error) error {
	c.names.rw.Lock()
	defer c.names.rw.Unlock()
	if err := lockFile(ctx, c.st.File, state.LockNames, true); err != nil {
		return fmt.Errorf("names of side files: %w", err)
	}
	defer c.unlockFile(state.LockNames)
	return f()
}
