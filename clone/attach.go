package clone

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"time"

	"hydrant/clone/state"
	"hydrant/dest"
	"hydrant/source"
	"hydrant/source/limit"
)

// attach joins the clone of state file f. With nobody else alive, which the exclusive attach lock
// proves, it first judges what was left; with anybody else alive, the shared memory is the truth. That
// somebody holds the attach lock does not say so yet: he may be about to judge, or be a newcomer as
// well. Whoever has judged or joined holds the lock "live", before he lets others in.
func (o *opening) attach(ctx context.Context, f state.File) (*Clone, error) {
	alone, err := f.TryLock(state.LockAttach, 1, true)
	if err != nil {
		return nil, fmt.Errorf("lock %s: %w", o.store.Name(), err)
	}
	if !alone {
		if !o.shareable(f) {
			return nil, fmt.Errorf("%s: %w: this file system is not known to be local, so one process at a time", o.dst.Name(), ErrBusy)
		}
		shared, err := f.TryLock(state.LockAttach, 1, false)
		if err != nil {
			return nil, fmt.Errorf("lock %s: %w", o.store.Name(), err)
		}
		if !shared {
			return nil, errAgain // somebody is judging
		}
		// Whoever was in the way may have died since, before it had judged: then the maps are of
		// some earlier life.
		if live, err := f.Held(state.LockLive); err != nil {
			return nil, fmt.Errorf("look at the locks of %s: %w", o.store.Name(), err)
		} else if !live {
			return nil, errAgain
		}
	}
	// The lock is on a file; is it still the one with this name?
	if current, err := f.Current(); err != nil {
		return nil, err
	} else if !current {
		return nil, errAgain
	}
	st, err := state.Load(f)
	if err != nil {
		return nil, o.unreadable(err)
	}
	if err := o.sameSource(st.Super); err != nil {
		return nil, err
	}
	var d dest.Dest
	var durable *state.Durable
	if alone {
		d, durable, err = o.judge(st)
	} else {
		d, durable, err = o.join(ctx, st)
	}
	if err != nil {
		return nil, err
	}
	if o.shareable(f) {
		if ok, err := f.TryLock(state.LockLive, 1, false); err != nil || !ok {
			return nil, errors.Join(fmt.Errorf("lock %s: %w", o.store.Name(), cmp.Or(err, ErrBusy)), d.Close())
		}
	}
	c, err := o.newClone(ctx, st, d, durable)
	if err != nil {
		return nil, errors.Join(err, d.Close())
	}
	if alone && o.shareable(f) {
		if _, err := f.TryLock(state.LockAttach, 1, false); err != nil {
			return nil, errors.Join(fmt.Errorf("lock %s: %w", o.store.Name(), err), d.Close())
		}
	}
	if o.uuid != c.uuid {
		o.head = nil // of a clone that is gone again
		o.ahead.drop()
		o.guess.drop()
		o.ahead, o.guess = nil, nil
	}
	// By a fault in here the clone has failed.
	_ = c.guard(func() error { c.run(o.head, o.ahead, o.guess, alone); return nil })
	return c, nil
}

// unreadable says what to do about a state file that cannot be used.
func (o *opening) unreadable(err error) error {
	if errors.Is(err, state.ErrFuture) {
		return fmt.Errorf("%s: %w: use that version", o.store.Name(), err)
	}
	return fmt.Errorf("%s: %w; put back a copy of it, or delete it and %s to clone again without what was written here",
		o.store.Name(), err, o.dst.Name())
}

// shareable tells whether several processes may have the clone open: locks and shared memory must
// be known to work.
func (o *opening) shareable(f state.File) bool {
	if o.opts.Trust == state.TrustNever {
		return false
	}
	fd, ok := f.(interface{ Fd() uintptr })
	return !ok || state.IsLocal(fd.Fd())
}

// sameSource refuses to attach to a clone of anything but what was asked for.
func (o *opening) sameSource(sb *state.Superblock) error {
	if o.src == nil || o.src.URL() == sb.URL {
		return nil
	}
	return fmt.Errorf("%s %w: it is of %s, and %s was asked for", o.dst.Name(), ErrOtherSource, sb.URL, o.src.URL())
}

// join opens the destination of a clone that others have open.
func (o *opening) join(ctx context.Context, st *state.State) (dest.Dest, *state.Durable, error) {
	if st.Head.Format.Load() != state.Version {
		return nil, nil, errAgain // its first process is not done
	}
	d, err := o.openDest(st.Super)
	if err != nil {
		return nil, nil, err
	}
	if err := o.ownFront(d, st.Super, st.Head); err != nil {
		return nil, nil, errors.Join(err, d.Close())
	}
	ctx, cancel := context.WithTimeout(ctx, time.Duration(st.Head.Timeout.Load()))
	defer cancel()
	if err := lockFile(ctx, st.File, state.LockLog, true); err != nil {
		return nil, nil, errors.Join(err, d.Close())
	}
	durable, err := state.OpenDurable(st.File, st.Layout, st.Super.UUID)
	if err == nil {
		// A process that died in between may have appended a record without saying so here. We
		// have read it, and everyone must agree on where the log ends.
		gen, seq := durable.Position()
		st.Head.LogGen.Store(gen)
		st.Head.LogSeq.Store(seq)
	}
	err = errors.Join(err, st.File.Unlock(state.LockLog, 1))
	if err != nil {
		return nil, nil, errors.Join(fmt.Errorf("%s: %w", o.store.Name(), err), d.Close())
	}
	return d, durable, nil
}

// openDest opens the destination that the superblock speaks of.
func (o *opening) openDest(sb *state.Superblock) (dest.Dest, error) {
	return o.ourDest(sb, o.dst.Open)
}

func (o *opening) ourDest(sb *state.Superblock, open func() (dest.Dest, error)) (dest.Dest, error) {
	d, err := open()
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("%s: %w, its state file %s is there: delete that to begin again", o.dst.Name(), ErrNoDest, o.store.Name())
	}
	if err != nil {
		return nil, denied(err)
	}
	if err := o.notSource(d, sb); err != nil {
		return nil, errors.Join(err, d.Close())
	}
	o.found = d
	return d, nil
}

// notSource refuses a destination that is the source itself, by whatever name, and one with more
// names than one, or that is mounted by itself: by its other name nobody would know that it is a
// clone, or would look for its side files in another folder.
func (o *opening) notSource(d dest.Dest, sb *state.Superblock) error {
	s, ok := dest.As[dest.Stater](d)
	if !ok {
		return nil
	}
	if n, err := links(s); err != nil || n > 1 {
		return errors.Join(fmt.Errorf("%s has %d names (hard links); a clone can have one", o.dst.Name(), n), err)
	}
	if alone, err := mountedAlone(s); err != nil || alone {
		return errors.Join(fmt.Errorf("%s is mounted by itself, without its side files; mount its folder", o.dst.Name()), err)
	}
	if l, ok := source.As[source.Localer](o.src); ok {
		same, err := sameFile(s, l.LocalPath())
		if err != nil || same {
			return errors.Join(fmt.Errorf("%s: %w", o.dst.Name(), ErrSelf), err)
		}
	}
	return nil
}

// ownFront checks that dest bears the guard of this clone for as long as it has to: until head, or
// when that is nil the superblock, says that it is being taken down.
func (o *opening) ownFront(d dest.Dest, sb *state.Superblock, head *state.Header) error {
	front, err := readFront(d)
	if err != nil {
		return fmt.Errorf("read %s: %w", o.dst.Name(), err)
	}
	phase := sb.Phase
	if head != nil {
		// After the look at dest: another process may take the guard down at any time.
		phase = state.Phase(head.Phase.Load())
	}
	switch {
	case sb.Bears(front):
		return nil
	case adopted(front, sb):
		return nil
	case sb.SameClone(front):
		return fmt.Errorf("%s and %s: %w: one of them was put back from an older copy; bring together what belongs together",
			o.dst.Name(), o.store.Name(), ErrApart)
	case state.IsGuard(front):
		return fmt.Errorf("%s and %s: %w: bring together what belongs together", o.dst.Name(), o.store.Name(), ErrMismatch)
	case phase < state.Completing:
		return fmt.Errorf("%s was replaced since it was cloned, or written by something else: %w %s: delete that to use the file as it is",
			o.dst.Name(), ErrMismatch, o.store.Name())
	}
	return nil
}

// newClone puts the parts together.
func (o *opening) newClone(ctx context.Context, st *state.State, d dest.Dest, durable *state.Durable) (*Clone, error) {
	src := o.src
	if src == nil {
		src = o.recorded(ctx, st.Super.URL)
	}
	o.src = src // closed by Open, if something still fails
	tried, err := newCounted(src, 0, func() time.Duration { return time.Duration(st.Head.Timeout.Load()) })
	if err != nil {
		return nil, err
	}
	sb := st.Super
	c := &Clone{
		src: tried, id: sb.Identity(), dst: d, target: o.dst, store: o.store, st: st,
		geo: newGeometry(sb.Size, sb.RegionSize), opts: o.opts, pace: newPace(), uuid: sb.UUID,
		comp: o.comp, claims: claims{file: st.File}, durable: durable,
		limiter: limit.NewLimiter(0, 0), pokes: make(chan struct{}, 1), wake: make(chan struct{}, 1),
	}
	c.claims.timeout = c.timeout
	c.begunWritable = c.mode() == state.ReadWrite
	c.posts.head = st.Head
	c.src.count = func() { c.head().Requests.Add(1) }
	c.src.again = func(n int64) {
		c.head().Requests.Add(1)
		c.head().Refetched.Add(uint64(n))
	}
	c.ctx, c.cancel = context.WithCancel(context.Background())
	c.leaving, c.leave = context.WithCancel(c.ctx)
	c.quiescing = make(chan struct{}, 1)
	if o.opts.Keep && c.head().Hold.Load() == 0 {
		c.head().Hold.Store(1)
		if err := c.updateSuper(ctx, func(sb *state.Superblock) { sb.Keep = true }); err != nil {
			return nil, err
		}
	}
	if err := c.findRagged(); err != nil {
		return nil, err
	}
	return c, c.Tune(o.opts.Knobs)
}

// recorded opens the source by the address in the state file. One that cannot be opened must not
// keep anybody from what is local: then cold reads say why.
func (o *opening) recorded(ctx context.Context, url string) source.Source {
	if o.opts.OpenSource == nil {
		return &unopened{url, errors.New("no source was given")}
	}
	src, err := o.opts.OpenSource(ctx, url)
	if err != nil {
		return &unopened{url, err}
	}
	return src
}

// run starts the goroutines of the clone. head is what the first request brought, ahead was asked for
// since, and g beside it. alone says that nobody else had the clone open.
func (c *Clone) run(head []byte, ahead *headstart, g *guess, alone bool) {
	if c.countMissing() == c.geo.count && c.geo.count > 0 && !c.opts.NoBackground && c.head().Hydration.Load() != 0 {
		c.keepLedger()
	}
	if c.st.Super.Corrupt {
		c.damaged(c.corrupt())
	}
	if c.phase() == state.Complete {
		ahead.drop()
	} else {
		c.takeOver(ahead) // before the advisor sees the first bytes again
	}
	if n := c.geo.regions(0, int64(len(head))); n > 0 && len(head) > 0 {
		s := span{0, min(n, c.geo.count)}
		_, size := c.geo.bytes(s)
		c.head().Requests.Add(1)
		c.head().Fetched.Add(uint64(len(head)))
		c.install(c.ctx, nil, s, head[:size])
	}
	if c.phase() == state.Complete {
		g.drop()
		return
	}
	if len(head) == 0 {
		c.showFront()
	}
	if c.warms(len(head) > 0, alone) {
		c.warming = make(chan struct{})
		c.spawn(func() { c.warm(g) })
	} else {
		g.drop()
	}
	now := c.observe()
	c.spawn(func() { c.keep(now) })
	c.poke()
	if !c.opts.NoBackground {
		c.spawn(c.hydrate)
	}
}

// defaultKnobs sets what a new volatile part has of knobs.
func defaultKnobs(h *state.Header) {
	h.Hydration.Store(1)
	h.Batch.Store(DefaultBatch)
	h.Timeout.Store(uint64(DefaultTimeout / time.Nanosecond))
}
