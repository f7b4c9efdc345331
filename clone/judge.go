package clone

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"

	"hydrant/clone/state"
	"hydrant/dest"
)

// judge decides, with nobody else alive, what of a clone counts, and finishes what a crash left
// half done. The stamp is written last: until then the next one to come judges the same.
func (o *opening) judge(st *state.State) (dest.Dest, *state.Durable, error) {
	durable, err := state.OpenDurable(st.File, st.Layout, st.Super.UUID)
	if err != nil {
		return nil, nil, o.unreadable(err)
	}
	if st.Super.Phase == state.Creating {
		o.sweep()
		st.Head.Format.Store(0)
		if err := o.makeDest(st); err != nil {
			return nil, nil, err
		}
		o.made = true
	}
	d, err := o.openDest(st.Super)
	if err != nil {
		return nil, nil, err
	}
	if err := o.judgeDest(st, d, durable); err != nil {
		return nil, nil, errors.Join(err, d.Close())
	}
	return d, durable, nil
}

func (o *opening) judgeDest(st *state.State, d dest.Dest, durable *state.Durable) error {
	sb := st.Super
	if err := o.ownFront(d, sb, nil); err != nil {
		return err
	}
	if err := o.longEnough(d, sb); err != nil {
		return err
	}
	if err := finishAdoption(d, sb); err != nil {
		return fmt.Errorf("adopt %s: %w", o.dst.Name(), err)
	}
	now, err := stampOf(st.File, d)
	if err != nil {
		return err
	}
	if err := o.judgeMaps(st, d, durable, now); err != nil {
		return err
	}
	if err := localBeyond(st, d, durable); err != nil {
		return fmt.Errorf("record the size of %s in %s: %w", o.dst.Name(), o.store.Name(), err)
	}
	if sb.Phase == state.Complete {
		// A write that the kernel lost may have been that of the first bytes.
		front, err := readFront(d)
		if err != nil {
			return fmt.Errorf("read %s: %w", o.dst.Name(), err)
		}
		if sb.Bears(front) {
			sb.Phase = state.Completing
		}
	}
	if sb.Phase == state.Completing {
		if err := unguard(d, sb.Guard(), st.Head.GetFirst(), o.comp); err != nil {
			return fmt.Errorf("complete %s: %w", o.dst.Name(), err)
		}
		sb.Phase = state.Complete
	}
	if sb.Phase == state.Complete {
		// Whatever the maps say, as of a source too short for a guard: dest is all there is.
		st.Maps[state.Hydrated].Set(0, st.Layout.Regions)
	}
	if sb.Phase == state.Live && st.Head.Mode.Load() == uint64(state.ReadWrite) && !o.made {
		err := renewPair(st.File, d, sb)
		if errors.Is(err, errUnsynced) {
			st.Head.Mode.Store(uint64(state.ReadOnly))
			st.Head.SetError(fmt.Sprintf("%v of %s", err, o.dst.Name()))
		} else if err != nil {
			return fmt.Errorf("write %s: %w", o.store.Name(), err)
		}
	}
	st.Head.Phase.Store(uint64(sb.Phase))
	gen, seq := durable.Position()
	st.Head.LogGen.Store(gen)
	st.Head.LogSeq.Store(seq)
	sb.Keep = sb.Keep || o.opts.Keep
	sb.Clean, sb.Stamp = false, now
	if err := state.WriteSuperblock(st.File, sb); err != nil {
		return fmt.Errorf("write %s: %w", o.store.Name(), err)
	}
	st.Head.Hold.Store(0)
	if sb.Keep {
		st.Head.Hold.Store(1)
	}
	st.Head.Format.Store(state.Version)
	if sb.Phase == state.Complete && !sb.Keep && !o.made && st.Head.Mode.Load() == uint64(state.ReadWrite) {
		// Who may not do that uses it as it is.
		if err := o.detachComplete(d); !errors.Is(err, fs.ErrPermission) {
			return err
		}
	}
	return nil
}

// detachComplete takes away the state file of a complete clone that nobody has open. From now on
// dest is a plain file.
func (o *opening) detachComplete(d dest.Dest) error {
	if err := o.store.Remove(); err != nil {
		return fmt.Errorf("remove %s: %w", o.store.Name(), err)
	}
	return fmt.Errorf("%s: complete, state file removed: %w", o.dst.Name(), ErrPlain)
}

// judgeMaps makes the volatile maps those that count.
func (o *opening) judgeMaps(st *state.State, d dest.Dest, durable *state.Durable, now state.Stamp) error {
	verdict := st.Super.Stamp.Judge(now, o.trust(st.File))
	if verdict == state.Foreign {
		if !st.Super.Clean {
			return fmt.Errorf("%s %w: if nobody used it meanwhile, and %s was copied with it: hydrant adopt %s; else copy it again while nobody has it open",
				o.dst.Name(), ErrCopied, o.store.Name(), o.dst.Name())
		}
		verdict = state.Recover
	}
	st.Head.Judged.Add(1)
	mode := leftMode(st, now)
	adopt := verdict == state.Adopt && st.Head.Format.Load() == state.Version
	if adopt && mode == state.ReadWrite {
		// A write that the kernel lost since is told of once, here.
		if err := d.Sync(); err != nil {
			mode = state.ReadOnly
			st.Head.SetError(fmt.Sprintf("sync %s: %v", o.dst.Name(), err))
		}
	}
	if !adopt || mode != state.ReadWrite {
		why := st.Head.GetError()
		cost := costOf(st, durable)
		st.Reset(durable)
		defaultKnobs(st.Head)
		st.Head.Mode.Store(uint64(min(mode, state.ReadOnly)))
		if mode != state.ReadWrite {
			// What failed to be synced stays unknown, for everyone to come.
			st.Head.SetError(why)
			st.Head.LostLocal.Store(cost.local)
			st.Head.LostWritten.Store(cost.written)
		}
	} else {
		st.Head.SetError("")
		st.Head.Activity.Store(uint64(state.Hydrating))
		st.Head.ClearPosts()
	}
	for r, ok := st.Maps[state.Written].NextSet(0, st.Layout.Regions); ok; r, ok = st.Maps[state.Written].NextSet(r+1, st.Layout.Regions) {
		st.Maps[state.Hydrated].Set(r, r+1)
	}
	return nil
}

// leftMode is the mode that the volatile part was left in. It counts for as long as the kernel that
// lost a write may hold other bytes in memory than are on the disk: in this boot, under whatever
// mount, and though somebody who judged may have died over it: a stamp of this boot says that the
// header was made ready in it.
func leftMode(st *state.State, now state.Stamp) state.Mode {
	was := st.Super.Stamp
	if was.Boot != now.Boot || !was.Dest.SameFile(now.Dest) || !was.State.SameFile(now.State) {
		return state.ReadWrite
	}
	return min(state.Mode(st.Head.Mode.Load()), state.Failed)
}

// cost is how many regions are given up with what is not durable.
type cost struct{ local, written uint64 }

// costOf compares the volatile maps, which are to count, with the durable ones, and adds what was
// given up before.
func costOf(st *state.State, durable *state.Durable) cost {
	c := cost{st.Head.LostLocal.Load(), st.Head.LostWritten.Load()}
	for i := range st.Layout.Words {
		written, then := st.Maps[state.Written].Word(i), durable.Word(state.Written, i)
		local := st.Maps[state.Hydrated].Word(i) | written
		c.local += ones(local &^ (durable.Word(state.Hydrated, i) | then))
		c.written += ones(written &^ then)
	}
	return c
}

func (o *opening) trust(f state.File) state.Trust {
	if !o.shareable(f) {
		return state.TrustNever
	}
	return o.opts.Trust
}

// longEnough checks that nobody but this clone's users has cut dest.
func (o *opening) longEnough(d dest.Dest, sb *state.Superblock) error {
	size, err := d.Size()
	if err != nil {
		return err
	}
	if least := sb.Size - sb.Cut; sb.Phase == state.Live && size < least {
		return fmt.Errorf("%s %w: it is %d bytes long and was at least %d; put back a copy that belongs to %s, or delete both to clone again without what was written here",
			o.dst.Name(), ErrShort, size, least, o.store.Name())
	}
	return nil
}

// localBeyond makes every region past dest's end local: it was cut off, and is not the source's
// any more. It is made durable at once, since dest may grow again before the next commit.
func localBeyond(st *state.State, d dest.Dest, durable *state.Durable) error {
	size, err := d.Size()
	if err != nil || size >= st.Super.Size {
		return err
	}
	geo := newGeometry(st.Super.Size, st.Super.RegionSize)
	beyond := geo.covered(size, st.Super.Size-size)
	added := uint64(0)
	for _, m := range st.Maps {
		added += m.Set(beyond.lo, beyond.hi)
	}
	if added == 0 || state.Mode(st.Head.Mode.Load()) != state.ReadWrite {
		return nil
	}
	if err := d.Sync(); err != nil {
		return err
	}
	return durable.Add(st.Since(durable), st.Head.GetFirst())
}

// stampOf is the stamp of the present.
func stampOf(f state.File, d dest.Dest) (s state.Stamp, err error) {
	s.Boot = state.BootID()
	if s.State, err = f.ID(); err != nil {
		return s, err
	}
	if st, ok := dest.As[dest.Stater](d); ok {
		s.Dest, err = state.IDOf(st.Fd())
	} else {
		s.Dest = state.FileID{Mount: 1, Dev: 1, Inode: 1}
	}
	return s, err
}

// makeDest makes the destination of a clone in phase creating, or takes what a crash left of it. In st
// the clone is in the next phase then: complete, when the blob is too short to bear a guard. That is
// recorded together with the stamp; until then whoever comes takes what he finds here.
func (o *opening) makeDest(st *state.State) error {
	sb := st.Super
	err := o.dst.Create(func(d dest.Dest) error { return fillDest(d, sb) })
	found := errors.Is(err, fs.ErrExist)
	if err != nil && !found {
		// Nothing was begun: leave nothing behind.
		return errors.Join(fmt.Errorf("make %s: %w", o.dst.Name(), err), o.store.Remove())
	}
	d, err := o.dst.Open()
	if errors.Is(err, dest.ErrNotRegular) {
		err = errors.Join(err, o.store.Remove()) // nor here
	}
	if err != nil {
		return fmt.Errorf("make %s: %w", o.dst.Name(), err)
	}
	if found {
		err = o.takeDest(d, sb)
	}
	if err == nil {
		sb.Stamp, err = stampOf(st.File, d)
	}
	if err = errors.Join(err, d.Close()); err != nil {
		return err
	}
	sb.Phase = state.Live
	if sb.Size < state.FirstBytes {
		sb.Phase = state.Complete
	}
	sb.Stamp.Forget()
	return nil
}

// fillDest makes an empty dest what it is while the clone is created: all of a blob that is too
// short to bear a guard, of any other the guard and the size; synced.
func fillDest(d dest.Dest, sb *state.Superblock) error {
	if sb.Size >= state.FirstBytes {
		return putGuard(d, sb.Guard(), sb.Size)
	}
	if _, err := d.WriteAt(sb.First[:sb.Size], 0); err != nil {
		return err
	}
	return syncDest(d)
}

// takeDest takes a dest that is there already, if somebody has made it for this clone and died.
func (o *opening) takeDest(d dest.Dest, sb *state.Superblock) error {
	ours, err := madeBefore(d, sb)
	if err != nil {
		return fmt.Errorf("read %s: %w", o.dst.Name(), err)
	}
	if !ours {
		return o.notMade(d)
	}
	if err := fillDest(d, sb); err != nil {
		return fmt.Errorf("make %s: %w", o.dst.Name(), err)
	}
	return nil
}

// notMade is what comes of making a clone where a file has come to lie meanwhile: mostly, another
// process made the same clone, completed it and took its state file away, all since this one had
// looked. Nothing but its source's address is in the state file, so that goes too; beside a guard,
// whoever deletes something is to know what.
func (o *opening) notMade(d dest.Dest) error {
	front, err := readFront(d)
	if err != nil {
		return fmt.Errorf("read %s: %w", o.dst.Name(), err)
	}
	if state.IsGuard(front) {
		return fmt.Errorf("%s: %w, and %s says that one is being made: delete that", o.dst.Name(), ErrPlain, o.store.Name())
	}
	return errors.Join(fmt.Errorf("%s: %w", o.dst.Name(), ErrPlain), o.store.Remove())
}

// madeBefore tells whether dest was made for this clone: it bears its guard, or where there is none
// is all of the blob. It has its name only since it is whole, so nothing less is ours to write over,
// not even an empty file.
func madeBefore(d dest.Dest, sb *state.Superblock) (bool, error) {
	size, err := d.Size()
	if err != nil {
		return false, err
	}
	front, err := readFront(d)
	if err != nil {
		return false, err
	}
	if sb.Size < state.FirstBytes {
		return size == sb.Size && bytes.Equal(front, sb.First[:size]), nil
	}
	guard := sb.Guard()
	return bytes.Equal(front, guard[:]), nil
}
