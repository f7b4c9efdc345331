package clone

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"
	"unsafe"

	"hydrant/bitmap"
	"hydrant/clone/state"
	"hydrant/dest"
	"hydrant/source"
)

// Clone is an open clone. All methods may be called at the same time from many goroutines, and
// many processes may have the same clone open.
type Clone struct {
	src    *counted
	id     source.Identity
	dst    dest.Dest
	target dest.Target
	store  state.Store
	comp   Companions // nil: none
	st     *state.State
	geo    geometry
	opts   Options
	pace   *pace
	uuid   [16]byte

	ctx    context.Context // ends with Close; fetches run under it
	cancel context.CancelFunc
	closed atomic.Bool
	once   sync.Once
	ended  error                  // what Close returns
	inside sync.RWMutex           // held shared by every call: the shared memory goes away in Close
	final  atomic.Pointer[Status] // set by Close: how it was then
	whole  atomic.Bool            // set by Close: the guard was down

	spawnMu sync.Mutex // guards wg against Add after Wait, with noMore
	noMore  bool
	wg      sync.WaitGroup

	claims  claims
	flights flights
	seq     sequence
	demands demands // readers who wait for the source

	commits commits
	logMu   sync.Mutex // guards durable
	durable *state.Durable

	fresh   atomic.Int64 // bytes made local since the last commit
	missing atomic.Int64 // regions not local, as far as this process knows
	full    atomic.Bool  // dest takes no bytes of the source: trouble.dest is set
	trouble trouble
	hint    hint
	names   names
	pokes   chan struct{} // of the keeper
	wake    chan struct{} // of the hydrator
	changed broadcast     // closed at each change of activity, mode or phase
	events  eventQueue

	completing sync.Mutex // held through an attempt to complete
	detached   atomic.Bool
}

func (c *Clone) head() *state.Header               { return c.st.Head }
func (c *Clone) maps() *[state.NumMaps]*bitmap.Map { return &c.st.Maps }
func (c *Clone) hydrated() *bitmap.Map             { return c.st.Maps[state.Hydrated] }
func (c *Clone) phase() state.Phase                { return state.Phase(c.head().Phase.Load()) }
func (c *Clone) timeout() time.Duration            { return time.Duration(c.head().Timeout.Load()) }

// local tells whether region r is in dest. r is below the number of regions.
func (c *Clone) local(r uint64) bool {
	return c.st.Maps[state.Hydrated].Test(r) || c.st.Maps[state.Written].Test(r)
}

// UUID is the clone's own, made at creation.
func (c *Clone) UUID() [16]byte { return c.uuid }

// Source is what the clone reads from.
func (c *Clone) Source() source.Source { return c.src }

// enter begins a call: the shared memory stays until the leave that it returns.
func (c *Clone) enter() (leave func(), err error) {
	// Not RLock: a call inside another one's callback must not wait for a Close that waits for
	// the other.
	if c.closed.Load() || !c.inside.TryRLock() {
		return nil, ErrClosed
	}
	return c.inside.RUnlock, nil
}

// Size is the size of dest now, in bytes.
func (c *Clone) Size() (int64, error) {
	leave, err := c.enter()
	if err != nil {
		return 0, err
	}
	defer leave()
	return c.dst.Size()
}

// Guarded tells whether dest's first bytes on disk are the guard.
func (c *Clone) Guarded() bool {
	leave, err := c.enter()
	if err != nil {
		return !c.whole.Load()
	}
	defer leave()
	return c.guarded()
}

func (c *Clone) guarded() bool { return c.phase() != state.Complete }

// View returns the shared memory for a fast path outside Go.
func (c *Clone) View() View {
	words := func(m state.Map) unsafe.Pointer {
		if w := c.st.Maps[m].Words(); len(w) > 0 {
			return unsafe.Pointer(&w[0])
		}
		return nil
	}
	return View{
		RegionShift: c.geo.shift,
		Regions:     c.geo.count,
		Header:      c.head(),
		Hydrated:    words(state.Hydrated),
		Written:     words(state.Written),
		Dirty:       words(state.Dirty),
	}
}

// Wait returns when the clone is complete. Errors: ErrStalled and ErrPaused, when it will not be
// without somebody's doing; ctx's.
func (c *Clone) Wait(ctx context.Context) error {
	for {
		changed := c.changed.next()
		done, err := c.waited()
		if done || err != nil {
			return err
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
	}
}

// waited tells whether the clone is complete, or why it will not be.
func (c *Clone) waited() (done bool, err error) {
	leave, err := c.enter()
	if err != nil {
		return false, err
	}
	defer leave()
	if !c.guarded() {
		return true, nil
	}
	if err := c.modeError(); err != nil || c.countMissing() == 0 {
		return false, err
	}
	if err := c.hindered(); err != nil {
		return false, err
	}
	if c.head().Hydration.Load() == 0 {
		return false, fmt.Errorf("%w: it is switched off (hydration=on goes on)", ErrPaused)
	}
	// What the process that hydrates says of itself.
	switch state.Activity(c.head().Activity.Load()) {
	case state.Stalled:
		return false, fmt.Errorf("%w: %s", ErrStalled, c.head().GetError())
	case state.Paused:
		return false, fmt.Errorf("%w: %s", ErrPaused, c.head().GetError())
	}
	return false, nil
}

// spawn runs f in a goroutine that Close waits for; false after Close.
func (c *Clone) spawn(f func()) bool {
	c.spawnMu.Lock()
	defer c.spawnMu.Unlock()
	if c.noMore {
		return false
	}
	c.wg.Add(1)
	go func() {
		defer c.wg.Done()
		f()
	}()
	return true
}

// poke makes the keeper look now, and not only when its period is over.
func (c *Clone) poke() { nudge(c.pokes) }

func nudge(ch chan struct{}) {
	select {
	case ch <- struct{}{}:
	default:
	}
}

// broadcast wakes any number of waiters.
type broadcast struct {
	mu sync.Mutex // guards ch
	ch chan struct{}
}

// next returns a channel that the next fire closes.
func (b *broadcast) next() <-chan struct{} {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.ch == nil {
		b.ch = make(chan struct{})
	}
	return b.ch
}

func (b *broadcast) fire() {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.ch != nil {
		close(b.ch)
		b.ch = nil
	}
}
