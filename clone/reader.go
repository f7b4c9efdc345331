package clone

import (
	"context"
	"errors"
	"fmt"
	"io"
	"runtime/debug"
	"sync"
	"sync/atomic"
	"time"

	"hydrant/clone/state"
	"hydrant/dest"
	"hydrant/source"
	"hydrant/source/cache"
)

// reader is what a Clone goes by without permission to write to it. It changes nothing: not dest,
// not the state file, not even what the kernel has to say about either. It holds no lock that
// anybody attaches by, and so never decides what of the clone counts; it looks at what others
// decide, see sight. What is cold comes from the source and is kept in memory only.
type reader struct {
	src     *counted
	cached  *cache.Source
	pool    *cache.Pool
	id      source.Identity
	dst     dest.Dest
	target  dest.Target
	store   state.Store
	st      *state.State
	geo     geometry
	timeout time.Duration
	trust   state.Trust
	why     error         // why it may not be written
	asked   atomic.Uint64 // requests sent

	once   sync.Once
	ended  error
	closed atomic.Bool
	inside sync.RWMutex // held shared by every call: the shared memory goes away in close
	final  Status       // set by close, before closed: how it was then
	lookup onlooking
	names  nameHolders
}

// readerCache is how much of what was cold a reader keeps in memory, bytes.
const readerCache = 64 << 20

// refused is what everything gets that changes something.
func (r *reader) refused() error {
	if r.closed.Load() {
		return ErrClosed
	}
	return fmt.Errorf("%s is open for reading only: %w", r.target.Name(), r.why)
}

// readAt is Clone.ReadAt. The timeout bounds all of it.
func (r *reader) readAt(ctx context.Context, p []byte, off int64) (_ int, err error) {
	leave, err := r.enter()
	if err != nil {
		return 0, err
	}
	defer leave(&err)
	if off < 0 {
		return 0, fmt.Errorf("read at %d: %w", off, ErrUsage)
	}
	ctx, cancel := context.WithTimeoutCause(ctx, r.timeout, fmt.Errorf("%w (%v)", ErrTimeout, r.timeout))
	defer cancel()
	for done := 0; ; {
		if r.closed.Load() {
			return done, ErrClosed
		}
		s, err := r.sight(ctx)
		if err != nil {
			return done, err
		}
		n, err := r.readSome(ctx, s, p[done:], off+int64(done))
		if !s.holds(r) {
			continue // what was read then need not be what counts; look again
		}
		done += n
		if err != nil || done == len(p) {
			return done, err
		}
	}
}

// readSome reads the first bytes of p, by the maps that count in s. The result is good if s holds
// afterwards.
func (r *reader) readSome(ctx context.Context, s *sight, p []byte, off int64) (int, error) {
	guarded := s.phase(r) != state.Complete // before dest is read: a guard that falls meanwhile leaves what is laid over
	size, err := r.dst.Size()
	if err != nil {
		return 0, err
	}
	if size < r.geo.size && guarded {
		if err := r.checkCut(size); err != nil {
			return 0, err
		}
	}
	if off >= size {
		return 0, io.EOF
	}
	p = p[:min(int64(len(p)), size-off)] // what is cut off is not the source's any more
	region := r.geo.region(off)
	if !guarded || off >= r.geo.size || s.local(region) {
		n := int64(len(p))
		if guarded {
			n = r.run(s, region, off, n, true)
		}
		return r.readLocal(s, p[:n], off, guarded)
	}
	p = p[:min(r.run(s, region, off, int64(len(p)), false), r.geo.size-off)]
	if err := source.ReadAll(ctx, r.cached, r.id, p, off); err != nil {
		if ctx.Err() != nil && (errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded)) {
			err = context.Cause(ctx)
		}
		return 0, fmt.Errorf("%s: %w", r.src.URL(), err)
	}
	return len(p), nil // as it was when it was found to be cold
}

// run is how many of the n bytes at off, which lies in region, are local, or cold, up to the first
// that is not.
func (r *reader) run(s *sight, region uint64, off, n int64, local bool) int64 {
	if off >= r.geo.size {
		return n
	}
	end := r.geo.touched(off, n).hi
	for region < end && s.local(region) == local {
		region++
	}
	if region < end || !local {
		return min(n, r.geo.start(region)-off)
	}
	return n
}

func (r *reader) readLocal(s *sight, p []byte, off int64, guarded bool) (int, error) {
	n, err := r.dst.ReadAt(p, off)
	if err != nil && !errors.Is(err, io.EOF) {
		return 0, fmt.Errorf("read %s: %w", r.target.Name(), err)
	}
	if guarded && off < state.FirstBytes {
		first := s.first(r)
		copy(p[:n], first[off:])
	}
	if err == nil && n < len(p) {
		err = io.EOF
	}
	return n, err
}

// checkCut tells when dest, of size bytes, is shorter than anybody of the clone has made it.
func (r *reader) checkCut(size int64) error {
	sb, err := state.ReadSuperblock(r.st.File)
	if err != nil || sb.Phase != state.Live || size >= sb.Size-sb.Cut {
		return err
	}
	return fmt.Errorf("%s %w: it is %d bytes long and was at least %d", r.target.Name(), ErrShort, size, sb.Size-sb.Cut)
}

// enter begins a call. See Clone.enter.
func (r *reader) enter() (leave func(err *error), err error) {
	if r.closed.Load() || !r.inside.TryRLock() {
		return nil, ErrClosed
	}
	before := debug.SetPanicOnFault(true)
	return func(err *error) {
		defer r.inside.RUnlock()
		defer debug.SetPanicOnFault(before)
		if p := recover(); p != nil {
			at, ok := p.(interface{ Addr() uintptr })
			if !ok || !r.st.Holds(at.Addr()) {
				panic(p)
			}
			*err = fmt.Errorf("%w: the shared memory of %s cannot be accessed: was it cut, or is its disk broken?", ErrFailed, r.store.Name())
		}
	}, nil
}

func (r *reader) size() (_ int64, err error) {
	leave, err := r.enter()
	if err != nil {
		return 0, err
	}
	defer leave(&err)
	return r.dst.Size()
}

// guarded tells whether dest's first bytes on disk are the guard, or may be.
func (r *reader) guarded() (guarded bool) {
	leave, err := r.enter()
	if err != nil {
		return true
	}
	guarded = true
	defer leave(&err)
	s, err := r.sight(context.Background())
	return err != nil || s.phase(r) != state.Complete
}

func (r *reader) kept() (kept bool) {
	leave, err := r.enter()
	if err != nil {
		return false
	}
	defer leave(&err)
	return r.st.Super.Keep || r.st.Head.Hold.Load() != 0
}

func (r *reader) region(off int64) (local, written bool, err error) {
	leave, err := r.enter()
	if err != nil {
		return false, false, err
	}
	defer leave(&err)
	s, err := r.sight(context.Background())
	n := r.geo.region(off)
	if err != nil || n >= r.geo.count {
		return true, true, err
	}
	return s.local(n), isSet(s.maps[state.Written], n), nil
}

// status says how the clone is doing; its mode is ro. After close, how it was doing then.
func (r *reader) status() (s Status) {
	leave, err := r.enter()
	if err != nil {
		return r.final
	}
	defer leave(&err)
	return r.statusNow()
}

func (r *reader) statusNow() Status {
	seen := r.lookup.last.Load()
	st := *r.st
	if sb, err := state.ReadSuperblock(st.File); err == nil {
		st.Super = sb
	}
	var s Status
	if seen.durable != nil {
		s = describeDurable(&st, seen.durable)
	} else if err := st.CopyMaps(); err == nil {
		s = describe(st.Super, &st)
	}
	s.Mode = state.ReadOnly.String()
	s.Requests += r.asked.Load()
	if size, err := r.dst.Size(); err == nil {
		s.Size = size
	}
	return s
}

// close ends the use of the clone. Calls under way end with ErrClosed.
func (r *reader) close() error {
	r.once.Do(func() {
		r.final = r.finalStatus()
		r.closed.Store(true)
		err := r.cached.Close() // ends those who wait for the source, and closes it
		r.inside.Lock()
		defer r.inside.Unlock()
		r.ended = errors.Join(err, r.pool.Close(), r.dst.Close(), r.st.File.Close())
	})
	return r.ended
}

func (r *reader) finalStatus() (s Status) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() { _ = recover() }()
	return r.statusNow()
}
