package clone

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"hydrant/clone/state"
)

// sight is what a reader goes by: which maps count. It is made when
//
//	somebody has the clone open      the shared maps count: whoever opened it first has judged
//	nobody, and the stamp says so    the shared maps count: a process that died has left them
//	nobody, and the stamp does not   the durable maps count, read into memory
//
// and whatever was read by it is good only if it still holds after that. Whoever changes which maps
// count, or what dest shows, says so in the header before anything changes: Judged, when they begin
// to decide, and Resets, when the shared maps are not to count any more.
//
// The shared maps count for as long as Resets is what it was: whoever comes or goes meanwhile has
// gone on with them. The durable ones count until anybody judges; if that made the shared maps out
// of them, those go on from what we have seen. Anything else that ends a sight would mix what was
// read with what is read next, and is ErrMoved.
//
// Rejected: to hold the attach lock while reading. Then nobody could judge meanwhile, and nothing
// would have to be looked at twice; but somebody who may only read could keep those who may write
// from opening the clone, and the last of them from closing it as the last.
type sight struct {
	maps    [state.NumMaps][]uint64
	durable *state.Durable // nil: the maps are the shared ones
	judged  uint64
	resets  uint64
}

// onlooking is the sight that is in force.
type onlooking struct {
	last atomic.Pointer[sight]
	mu   sync.Mutex // guards lost, and the change of last
	lost error
}

func isSet(words []uint64, r uint64) bool {
	return atomic.LoadUint64(&words[r/64])>>(r%64)&1 != 0
}

func (s *sight) local(r uint64) bool {
	return isSet(s.maps[state.Hydrated], r) || isSet(s.maps[state.Written], r)
}

// phase is how far the clone has come.
func (s *sight) phase(r *reader) state.Phase {
	if s.durable != nil {
		return r.st.Super.Phase // as it was when the durable maps were read: nobody has been here since
	}
	return state.Phase(r.st.Head.Phase.Load())
}

// first are dest's logical first bytes.
func (s *sight) first(r *reader) [state.FirstBytes]byte {
	if s.durable != nil {
		return s.durable.First()
	}
	return r.st.Head.GetFirst()
}

// holds tells whether nobody has changed what counts since the sight was made.
func (s *sight) holds(r *reader) bool {
	h := r.st.Head
	if h.Resets.Load() != s.resets {
		return false
	}
	if s.durable != nil {
		return h.Judged.Load() == s.judged
	}
	return h.Format.Load() == state.Version && state.Mode(h.Mode.Load()) < state.Failed
}

// sight returns the one in force, another one if that does not hold any more.
func (r *reader) sight(ctx context.Context) (*sight, error) {
	if s := r.lookup.last.Load(); s.holds(r) {
		return s, nil
	}
	r.lookup.mu.Lock()
	defer r.lookup.mu.Unlock()
	if r.lookup.lost != nil {
		return nil, r.lookup.lost
	}
	s := r.lookup.last.Load()
	if s.holds(r) {
		return s, nil // another call was quicker
	}
	next, err := r.follow(ctx, s)
	if errors.Is(err, ErrMoved) {
		r.lookup.lost = err
	}
	if err != nil {
		return nil, err
	}
	r.lookup.last.Store(next)
	return next, nil
}

// follow waits until whoever ended a durable sight has made the shared maps of what we have seen.
func (r *reader) follow(ctx context.Context, old *sight) (*sight, error) {
	h := r.st.Head
	moved := fmt.Errorf("%s %w", r.target.Name(), ErrMoved)
	for wait := 100 * time.Microsecond; ; wait = min(2*wait, 20*time.Millisecond) {
		// The locks first: whoever is at it by then has counted up, and what is counted after
		// nobody is at it any more is all there was.
		busy, err := r.judging()
		if err != nil {
			return nil, err
		}
		next := &sight{maps: r.sharedMaps(), resets: old.resets + 1}
		switch {
		case old.durable == nil && state.Mode(h.Mode.Load()) >= state.Failed:
			return nil, fmt.Errorf("%w (%s)", ErrFailed, h.GetError())
		case old.durable == nil || h.Judged.Load() != old.judged+1 || h.Resets.Load() > next.resets:
			return nil, moved
		case next.holds(r):
			return next, nil // its Format was 0 before Resets was counted up, and is set last
		case !busy:
			return nil, moved // it died over it, or other maps count than we have seen
		}
		if sleep(ctx, wait) != nil {
			return nil, fmt.Errorf("%s: %w: somebody has begun to open it and does not go on", r.store.Name(), ErrBusy)
		}
	}
}

// judging tells whether somebody has the clone to himself, or may have: he decides what counts, or
// is about to.
func (r *reader) judging() (bool, error) {
	live, err := r.st.File.Held(state.LockLive)
	if live || err != nil {
		return false, err
	}
	return r.st.File.Held(state.LockAttach)
}

func (r *reader) sharedMaps() (maps [state.NumMaps][]uint64) {
	for m := range maps {
		maps[m] = r.st.Words(state.Map(m))
	}
	return maps
}

// look makes the first sight. errAgain: somebody is in the middle of something short.
func (r *reader) look(o *opening) (*sight, error) {
	h, f := r.st.Head, r.st.File
	// Before the locks: whoever begins to judge after we have looked at those is noticed at the end.
	s := &sight{maps: r.sharedMaps(), judged: h.Judged.Load(), resets: h.Resets.Load()}
	live, err := f.Held(state.LockLive)
	if err != nil {
		return nil, err
	}
	if !live {
		if busy, err := f.Held(state.LockAttach); err != nil || busy {
			return nil, cmp.Or(err, errAgain)
		}
	}
	if r.st.Super, err = state.ReadSuperblock(f); err != nil {
		return nil, o.unreadable(err)
	}
	if current, err := f.Current(); err != nil || !current {
		return nil, cmp.Or(err, errAgain)
	}
	if live {
		err = r.lookBeside(o)
	} else {
		err = r.lookAlone(o, s)
	}
	if err == nil && (h.Judged.Load() != s.judged || !s.holds(r)) {
		err = errAgain
	}
	if err != nil {
		return nil, err
	}
	return s, nil
}

// lookBeside checks a clone that somebody has open.
func (r *reader) lookBeside(o *opening) error {
	if err := r.fits(o, r.st.Head); err != nil {
		return err
	}
	if state.Mode(r.st.Head.Mode.Load()) >= state.Failed {
		return fmt.Errorf("%s: %w (%s)", r.target.Name(), ErrFailed, r.st.Head.GetError())
	}
	return nil
}

// lookAlone chooses the maps while nobody has the clone open, as judge would.
func (r *reader) lookAlone(o *opening, s *sight) error {
	sb := r.st.Super
	needs := func(what string) error {
		return fmt.Errorf("%s %s, which is for somebody who may write to it: %w", r.target.Name(), what, r.why)
	}
	switch sb.Phase {
	case state.Creating:
		return needs("has yet to be made")
	case state.Completing:
		return needs("has yet to be made an ordinary file")
	}
	if err := r.fits(o, nil); err != nil {
		return err
	}
	now, err := stampOf(r.st.File, r.dst)
	if err != nil {
		return err
	}
	verdict := sb.Stamp.Judge(now, r.trust)
	if verdict == state.Foreign && !sb.Clean {
		return fmt.Errorf("%s %w: whoever may write to it can adopt it", r.target.Name(), ErrCopied)
	}
	if verdict == state.Adopt && r.st.Head.Format.Load() == state.Version && leftMode(r.st, now) == state.ReadWrite {
		return nil
	}
	s.durable, err = state.OpenDurable(r.st.File, r.st.Layout, sb.UUID)
	if err != nil {
		return o.unreadable(err)
	}
	s.maps, _ = s.durable.Maps()
	return nil
}

// fits checks that dest is this clone's and whole; h is nil when the header does not count.
func (r *reader) fits(o *opening, h *state.Header) error {
	err := o.ownFront(r.dst, r.st.Super, h)
	if err == nil {
		err = o.longEnough(r.dst, r.st.Super)
	}
	if err == nil {
		return nil
	}
	// It may just have been given another guard, of which our copy of the superblock does not know.
	if sb, rerr := state.ReadSuperblock(r.st.File); rerr == nil && sb.Seq != r.st.Super.Seq {
		return errAgain
	}
	if busy, berr := r.judging(); berr == nil && busy {
		return errAgain
	}
	return err
}
