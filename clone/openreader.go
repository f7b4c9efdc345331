package clone

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"sync"
	"time"

	"hydrant/clone/state"
	"hydrant/dest"
	"hydrant/source/cache"
)

// look opens the clone for reading only, again for as long as somebody is in the middle of something
// short. o.denied is what keeps this process from writing to it.
func (o *opening) look(ctx context.Context) (*Clone, error) {
	store, ok := o.store.(state.Onlooker)
	target, ok2 := o.dst.(dest.Onlooker)
	if !ok || !ok2 {
		return nil, o.denied
	}
	deadline := time.Now().Add(o.timeout())
	for wait := 100 * time.Microsecond; ; wait = min(2*wait, 20*time.Millisecond) {
		f, err := store.OpenReadOnly()
		switch {
		case errors.Is(err, fs.ErrNotExist):
			err = cmp.Or(o.noDest(), err) // it was detached, or somebody took it away
		case err != nil:
			err = fmt.Errorf("open state file %s: %w", o.store.Name(), err)
		default:
			var r *reader
			err = whileMapped(o.store.Name(), func() (err error) { r, err = o.lookAt(ctx, f, target); return err })
			if err == nil {
				return &Clone{look: r, src: r.src, uuid: r.st.Super.UUID, target: o.dst, geo: r.geo}, nil
			}
			o.abandon()
			err = errors.Join(err, f.Close())
		}
		if !errors.Is(err, errAgain) {
			return nil, err
		}
		if time.Now().After(deadline) {
			return nil, fmt.Errorf("%s: %w: gave up after %v", o.store.Name(), ErrBusy, o.timeout())
		}
		if err := sleep(ctx, wait); err != nil {
			return nil, err
		}
	}
}

// lookAt opens the clone of state file f, which it does not close on error.
func (o *opening) lookAt(ctx context.Context, f state.File, target dest.Onlooker) (*reader, error) {
	if !o.shareable(f) {
		return nil, fmt.Errorf("%w; it cannot be read without where it lies: that is not known to be a local file system", o.denied)
	}
	st, err := state.Look(f)
	if err != nil {
		return nil, o.unreadable(err)
	}
	if err := o.sameSource(st.Super); err != nil {
		return nil, err
	}
	if st.Super.Phase == state.Creating {
		// The destination may not be there yet.
		if busy, err := f.Held(state.LockAttach); err != nil || busy {
			return nil, cmp.Or(err, errAgain)
		}
	}
	d, err := o.ourDest(st.Super, target.OpenReadOnly)
	if err != nil {
		return nil, err
	}
	r, err := o.newReader(ctx, st, d)
	if err != nil {
		return nil, errors.Join(err, d.Close())
	}
	return r, nil
}

func (o *opening) newReader(ctx context.Context, st *state.State, d dest.Dest) (*reader, error) {
	r := &reader{
		id: st.Super.Identity(), dst: d, target: o.dst, store: o.store, st: st,
		why: o.denied, geo: newGeometry(st.Super.Size, st.Super.RegionSize), timeout: o.timeout(), trust: o.trust(st.File),
	}
	s, err := r.look(o)
	if err != nil {
		return nil, err
	}
	r.lookup.last.Store(s)
	if t := st.Head.Timeout.Load(); s.durable == nil && o.opts.Knobs.Timeout == nil && t > 0 {
		r.timeout = time.Duration(t)
	}
	src := o.src
	if src == nil {
		src = o.recorded(ctx, st.Super.URL)
		o.src = src // closed with the opening, if something still fails
	}
	if r.src, err = newCounted(src, 0, func() time.Duration { return r.timeout }); err != nil {
		return nil, err
	}
	r.src.count = func() { r.asked.Add(1) }
	if r.pool, err = cache.NewPool(readerCache, cache.Options{}); err != nil {
		return nil, err
	}
	r.cached = cache.New(r.src, r.pool)
	return r, nil
}

// nameHolders are the calls inside companions; together they hold the lock.
type nameHolders struct {
	mu sync.Mutex
	n  int
}

// companions is Clone.Companions: private tells which names hold while f runs.
func (r *reader) companions(f func(private bool) error) (err error) {
	leave, err := r.enter()
	if err != nil {
		return err
	}
	defer leave(&err)
	ctx, cancel := context.WithTimeoutCause(context.Background(), r.timeout, ErrBusy)
	defer cancel()
	for {
		done, err := r.withNames(ctx, f)
		if done || err != nil {
			return err
		}
		// Whoever is completing the clone has them.
		if err := sleep(ctx, time.Millisecond); err != nil {
			return fmt.Errorf("names of side files: %w", err)
		}
	}
}

func (r *reader) withNames(ctx context.Context, f func(private bool) error) (done bool, err error) {
	if err := r.holdNames(ctx); err != nil {
		return false, fmt.Errorf("names of side files: %w", err)
	}
	defer r.freeNames()
	s, err := r.sight(ctx)
	if err != nil {
		return false, err
	}
	switch s.phase(r) {
	case state.Complete:
		return true, f(false)
	case state.Live:
		// With the lock held nobody gets beyond that.
		if s.holds(r) {
			return true, f(true)
		}
	}
	return false, nil
}

func (r *reader) holdNames(ctx context.Context) error {
	r.names.mu.Lock()
	defer r.names.mu.Unlock()
	if r.names.n == 0 {
		if err := lockFile(ctx, r.st.File, state.LockNames, false); err != nil {
			return err
		}
	}
	r.names.n++
	return nil
}

func (r *reader) freeNames() {
	r.names.mu.Lock()
	defer r.names.mu.Unlock()
	if r.names.n--; r.names.n == 0 {
		_ = r.st.File.Unlock(state.LockNames, 1) // on error it goes with the file
	}
}
