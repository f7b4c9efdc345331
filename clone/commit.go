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
func (c *Clone) Sync(ctx context.Context) (err error) {
	leave, err := c.enter()
	if err != nil {
		return err
	}
	defer leave(&err)
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

	r.err = c.guard(c.checkpoint)

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
	news := c.news()
	err := c.synced(func() error {
		if err := c.dst.Sync(); err != nil {
			return fmt.Errorf("%w %s: %w", errUnsynced, c.target.Name(), err)
		}
		return nil
	})
	if err != nil {
		return err
	}
	if err := c.appendLog(news, first, marks); errors.Is(err, ErrBusy) {
		return fmt.Errorf("record in %s: %w", c.store.Name(), err)
	} else if err != nil {
		err = fmt.Errorf("record in %s: %w", c.store.Name(), err)
		c.setMode(state.ReadOnly, err)
		return fmt.Errorf("%w; %s: %w", ErrReadOnly, c.remedy(), err)
	}
	return nil
}

// news copies what of the words is not durable, as far as this process knows.
func (c *Clone) news() state.News {
	c.logMu.Lock()
	defer c.logMu.Unlock()
	return c.st.Since(c.durable)
}

// appendLog appends to the log under its lock, which covers nothing else.
func (c *Clone) appendLog(news state.News, first [state.FirstBytes]byte, marks uint64) error {
	c.logMu.Lock()
	defer c.logMu.Unlock()
	ctx, cancel := context.WithTimeout(context.Background(), c.timeout())
	defer cancel()
	if err := lockFile(ctx, c.st.File, state.LockLog, true); err != nil {
		return err
	}
	defer c.unlockFile(state.LockLog)
	if err := c.uncut(); err != nil {
		return err
	}
	h := c.head()
	if err := c.durable.CatchUp(h.LogGen.Load(), h.LogSeq.Load()); err != nil {
		return err
	}
	if h.Synced.Load() > marks {
		// Another process has copied later, and appended before us. Bits are only ever added; the
		// first bytes are not, and must not become again what they were.
		first = c.durable.First()
	}
	if err := c.durable.Add(news, first); err != nil {
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

// uncut refuses to write behind the end of a state file that somebody has cut: it would grow again,
// and the maps with it, all zeros, as if nothing had ever been written here.
func (c *Clone) uncut() error {
	size, err := c.st.File.Size()
	if err == nil && size < c.st.Layout.FileSize {
		err = fmt.Errorf("%w: it has %d bytes left of %d", state.ErrDamaged, size, c.st.Layout.FileSize)
	}
	return err
}

// durableAll tells whether the durable maps have every region local.
func (c *Clone) durableAll() bool {
	c.logMu.Lock()
	defer c.logMu.Unlock()
	left := c.geo.count
	for i := range c.st.Layout.Words {
		w := c.durable.Word(state.Hydrated, i) | c.durable.Word(state.Written, i)
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
