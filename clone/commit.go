package clone

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"hydrant/clone/state"
)

// commitBytes is how much may become local before a commit makes it durable without being asked.
const commitBytes = 64 << 20

// commitPeriod is how long it may take at the most.
const commitPeriod = time.Second

// commits lets many syncs share one commit. A sync may only share one that begins after it came:
// the words must be copied after what it wants durable was marked.
type commits struct {
	mu      sync.Mutex // guards the rest
	running *round
	next    *round // forming, for those who came while another was running
}

type round struct {
	done chan struct{} // closed when over
	err  error         // set before
}

// Sync makes durable everything that was written before it was called: dest's bytes, and the
// record that they are the user's. Errors: ErrReadOnly when a sync has failed, now or earlier:
// then it cannot be told what is durable, and nothing more may be changed.
func (c *Clone) Sync(ctx context.Context) error {
	leave, err := c.enter()
	if err != nil {
		return err
	}
	defer leave()
	if err := c.writable(); err != nil {
		return err
	}
	return c.commit(ctx)
}

// commit runs, or shares, a commit that begins now or later.
func (c *Clone) commit(ctx context.Context) error {
	c.commits.mu.Lock()
	var mine *round
	lead := false
	switch {
	case c.commits.next != nil:
		mine = c.commits.next
	case c.commits.running == nil:
		mine, lead = &round{done: make(chan struct{})}, true
		c.commits.running = mine
	default:
		mine, lead = &round{done: make(chan struct{})}, true
		c.commits.next = mine
	}
	before := c.commits.running
	c.commits.mu.Unlock()

	if lead {
		if before != mine {
			<-before.done // bounded by dest's sync; those behind us count on it
		}
		c.runRound(mine)
		return mine.err
	}
	select {
	case <-mine.done:
		return mine.err
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// runRound makes r, which nobody else runs, the running round and runs it.
func (c *Clone) runRound(r *round) {
	c.commits.mu.Lock()
	c.commits.running = r
	if c.commits.next == r {
		c.commits.next = nil
	}
	c.commits.mu.Unlock()

	r.err = c.checkpoint()

	c.commits.mu.Lock()
	if c.commits.running == r {
		c.commits.running = nil
	}
	c.commits.mu.Unlock()
	close(r.done)
}

// checkpoint is the one way anything becomes durable. The order is the whole point:
//
//	copy the words → sync dest → append what was copied
//
// A bit that is set while dest syncs, by whatever process, is not in the copy and waits for the
// next commit: its data may have come too late for this one.
func (c *Clone) checkpoint() error {
	if c.mode() != state.ReadWrite {
		return c.modeError()
	}
	c.fresh.Store(0)
	marks := c.head().Marks.Load()
	first := c.head().GetFirst()
	snap := c.st.Snapshot()
	if err := c.dst.Sync(); err != nil {
		err = fmt.Errorf("sync %s: %w", c.target.Name(), err)
		c.setMode(state.ReadOnly, err)
		return fmt.Errorf("%w: %w", ErrReadOnly, err)
	}
	// Another process may have failed meanwhile, and been told of an error that was ours too.
	if c.mode() != state.ReadWrite {
		return c.modeError()
	}
	if err := c.appendLog(snap, first, marks); errors.Is(err, ErrBusy) {
		return fmt.Errorf("record in %s: %w", c.store.Name(), err)
	} else if err != nil {
		err = fmt.Errorf("record in %s: %w", c.store.Name(), err)
		c.setMode(state.ReadOnly, err)
		return fmt.Errorf("%w: %w", ErrReadOnly, err)
	}
	return nil
}

// appendLog appends to the log under its lock, which covers nothing else.
func (c *Clone) appendLog(snap [state.NumMaps][]uint64, first [state.FirstBytes]byte, marks uint64) error {
	c.logMu.Lock()
	defer c.logMu.Unlock()
	ctx, cancel := context.WithTimeout(context.Background(), c.timeout())
	defer cancel()
	if err := lockFile(ctx, c.st.File, state.LockLog, true); err != nil {
		return err
	}
	defer c.unlockFile(state.LockLog)
	h := c.head()
	if err := c.durable.CatchUp(h.LogGen.Load(), h.LogSeq.Load()); err != nil {
		return err
	}
	if err := c.durable.Append(snap, first); err != nil {
		return err
	}
	gen, seq := c.durable.Position()
	h.LogGen.Store(gen)
	h.LogSeq.Store(seq)
	if h.Synced.Load() < marks {
		h.Synced.Store(marks)
	}
	return nil
}

// durableAll tells whether the durable maps have every region local.
func (c *Clone) durableAll() bool {
	c.logMu.Lock()
	defer c.logMu.Unlock()
	maps, _ := c.durable.Maps()
	left := c.geo.count
	for i := range maps[state.Hydrated] {
		w := maps[state.Hydrated][i] | maps[state.Written][i]
		want := ^uint64(0)
		if left < 64 {
			want = 1<<left - 1
		}
		if w&want != want {
			return false
		}
		left -= min(left, 64)
	}
	return true
}

// lockFile takes a lock of the state file, waiting for other processes. The caller keeps other
// goroutines of this process away.
func lockFile(ctx context.Context, f state.File, at int64, exclusive bool) error {
	for wait := 50 * time.Microsecond; ; wait = min(2*wait, 20*time.Millisecond) {
		ok, err := f.TryLock(at, 1, exclusive)
		if err != nil || ok {
			return err
		}
		if err := sleep(ctx, wait); err != nil {
			return fmt.Errorf("%w: %w", ErrBusy, err)
		}
	}
}

func (c *Clone) unlockFile(at int64) {
	// It fails only for a bad descriptor, and then the lock is gone as well.
	_ = c.st.File.Unlock(at, 1)
}
