package clone

import (
	"context"
	"fmt"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"
	"unsafe"

	"hydrant/bitmap"
	"hydrant/clone/state"
	"hydrant/dest"
	"hydrant/source"
	"hydrant/source/limit"
)

// Clone is an open clone. All methods may be called at the same time from many goroutines, and
// many processes may have the same clone open.
type Clone struct {
	look *reader // this process may only read: then nothing below counts but src, target, geo and uuid

	src           *counted
	id            source.Identity
	dst           dest.Dest
	target        dest.Target
	store         state.Store
	comp          Companions // nil: none
	st            *state.State
	geo           geometry
	opts          Options
	pace          *pace
	ledger        *ledger // nil: nothing to check by
	uuid          [16]byte
	begunWritable bool // the mode was rw when this process attached

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
	posts   posts
	seq     sequence
	demands demands // readers who wait for the source
	early   early
	unshown unshown
	limiter *limit.Limiter // of all that nobody waits for

	syncs   syncs
	commits commits
	logMu   sync.Mutex // guards durable
	durable *state.Durable

	fresh   atomic.Int64 // bytes made local since the last commit
	maxCut  atomic.Int64 // bytes that dest may lack of the source's size, as far as this process knows
	missing atomic.Int64 // regions not local, as far as this process knows
	ragged  atomic.Int64 // the region, not written, inside which dest ended at attach, -1 for none
	untaken atomic.Bool  // dest cannot take from the source's file
	full    atomic.Bool  // dest takes no bytes of the source: trouble.dest is set
	trouble trouble
	hint    hint

	touches touches
	warming chan struct{} // closed when what a trace names first is on its way; nil: no trace is looked for
	traceMu sync.Mutex    // held with LockTrace

	hydrates atomic.Bool // this process is the one that hydrates
	nobody   atomic.Bool // no process does, as far as can be told

	broken  atomic.Pointer[error] // why the shared memory cannot be used, see fault.go
	names   names
	pokes   chan struct{} // of the keeper
	wake    chan struct{} // of the hydrator
	changed broadcast     // closed at each change of activity, mode or phase
	events  eventQueue

	completing sync.Mutex    // held through an attempt to complete
	quiescing  chan struct{} // holds one while the layer above is at that, which uses the clone
	leaving    context.Context
	leave      context.CancelFunc // ends leaving, which is before anything else of Close
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

// enter begins a call: the shared memory stays until the leave that it returns, which is deferred.
// A fault of that memory in between ends the call, and leave says so in *err.
//
// One that may not be written lets nobody in: what goes there goes by reader.
func (c *Clone) enter() (leave func(err *error), err error) {
	if c.look != nil {
		return nil, c.look.refused()
	}
	if err := c.broken.Load(); err != nil {
		return nil, *err
	}
	// Not RLock: a call inside another one's callback must not wait for a Close that waits for
	// the other.
	if c.closed.Load() || !c.inside.TryRLock() {
		return nil, ErrClosed
	}
	before := debug.SetPanicOnFault(true)
	return func(err *error) {
		defer c.inside.RUnlock()
		defer debug.SetPanicOnFault(before)
		if fault := c.faulted(recover()); fault != nil {
			*err = fault
		}
	}, nil
}

// Size is the size of dest now, in bytes.
func (c *Clone) Size() (_ int64, err error) {
	if c.look != nil {
		return c.look.size()
	}
	leave, err := c.enter()
	if err != nil {
		return 0, err
	}
	defer leave(&err)
	return c.dst.Size()
}

// Guarded tells whether dest's first bytes on disk are the guard.
func (c *Clone) Guarded() (guarded bool) {
	if c.look != nil {
		return c.look.guarded()
	}
	leave, err := c.enter()
	if err != nil {
		return !c.whole.Load()
	}
	guarded = true // unless it can be read that it is not
	defer leave(&err)
	return c.guarded()
}

func (c *Clone) guarded() bool { return c.phase() != state.Complete }

// Kept tells whether the state file stays when the clone is complete.
func (c *Clone) Kept() (kept bool) {
	if c.look != nil {
		return c.look.kept()
	}
	leave, err := c.enter()
	if err != nil {
		return false
	}
	defer leave(&err)
	return c.head().Hold.Load() != 0
}

// Region tells what has become of the region that byte off lies in. Beyond the source's end it is
// local and written.
func (c *Clone) Region(off int64) (local, written bool, err error) {
	if c.look != nil {
		return c.look.region(off)
	}
	leave, err := c.enter()
	if err != nil {
		return false, false, err
	}
	defer leave(&err)
	r := c.geo.region(off)
	if r >= c.geo.count {
		return true, true, nil
	}
	return c.local(r), c.maps()[state.Written].Test(r), nil
}

// RegionSize is the unit of hydration, in bytes.
func (c *Clone) RegionSize() int64 { return c.geo.regionSize() }

// Timeout bounds each wait, see Knobs.
func (c *Clone) Timeout() (d time.Duration) {
	if c.look != nil {
		return c.look.timeout
	}
	leave, err := c.enter()
	if err != nil {
		return DefaultTimeout
	}
	defer leave(&err)
	return c.timeout()
}

// View returns the shared memory for a fast path outside Go. There is none, and no Header, where the
// clone is open for reading only: each read is looked at afterwards, see sight.
func (c *Clone) View() View {
	if c.look != nil {
		return View{RegionShift: c.geo.shift, Regions: c.geo.count}
	}
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
// without somebody's doing, be it only that some process hydrates it; ctx's.
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
	if c.look != nil && !c.look.guarded() {
		return true, nil
	}
	leave, err := c.enter()
	if err != nil {
		return false, err
	}
	defer leave(&err)
	if !c.guarded() {
		return true, nil
	}
	if err := c.modeError(); err != nil {
		return false, err
	}
	if c.countMissing() == 0 {
		return false, c.unfinished()
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
	if c.nobody.Load() {
		return false, c.nobodyHydrates()
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
		// A fault has been noted; whoever waits for this goroutine's work is told by that.
		_ = c.guard(func() error { f(); return nil })
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
