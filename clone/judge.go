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
	if sb.Phase == state.Completing {
		if err := unguard(d, sb.Guard(), st.Head.GetFirst(), o.comp); err != nil {
			return fmt.Errorf("complete %s: %w", o.dst.Name(), err)
		}
		sb.Phase = state.Complete
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
		return o.detachComplete(d)
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
			return fmt.Errorf("%s %w: copy it again while nobody has it open", o.dst.Name(), ErrCopied)
		}
		verdict = state.Recover
	}
	adopt := verdict == state.Adopt && st.Head.Format.Load() == state.Version
	mode := state.ReadWrite
	if adopt {
		mode = state.Mode(st.Head.Mode.Load())
		// A write that the kernel lost since is told of once, here.
		if err := d.Sync(); err != nil {
			mode = state.ReadOnly
			st.Head.SetError(fmt.Sprintf("sync %s: %v", o.dst.Name(), err))
		}
	}
	if !adopt || mode != state.ReadWrite {
		why := st.Head.GetError()
		st.Reset(durable)
		defaultKnobs(st.Head)
		if mode != state.ReadWrite {
			// What failed to be synced stays unknown, for everyone to come.
			st.Head.Mode.Store(uint64(state.ReadOnly))
			st.Head.SetError(why)
		}
	} else {
		st.Head.SetError("")
		st.Head.Activity.Store(uint64(state.Hydrating))
	}
	for r, ok := st.Maps[state.Written].NextSet(0, st.Layout.Regions); ok; r, ok = st.Maps[state.Written].NextSet(r+1, st.Layout.Regions) {
		st.Maps[state.Hydrated].Set(r, r+1)
	}
	return nil
}

func (o *opening) trust(f state.File) state.Trust {
	if !o.shareable(f) {
		return state.TrustNever
	}
	return o.opts.Trust
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
	return durable.Append(st.Snapshot(), st.Head.GetFirst())
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

// makeDest makes the destination of a clone in phase creating, or what a crash left of it, and
// takes the clone to the next phase: complete, when the blob is too short to bear a guard.
func (o *opening) makeDest(st *state.State) error {
	sb := st.Super
	d, err := o.dst.Create()
	fresh := err == nil
	if errors.Is(err, fs.ErrExist) {
		d, err = o.dst.Open()
	}
	if err != nil {
		// Nothing was begun: leave nothing behind.
		return errors.Join(fmt.Errorf("make %s: %w", o.dst.Name(), err), o.store.Remove())
	}
	err = o.fillDest(d, sb, fresh)
	if err = errors.Join(err, d.Close()); err != nil {
		return err
	}
	sb.Phase = state.Live
	if sb.Size < state.FirstBytes {
		sb.Phase = state.Complete
	}
	d2, err := o.dst.Open()
	if err != nil {
		return err
	}
	sb.Stamp, err = stampOf(st.File, d2)
	if err = errors.Join(err, d2.Close()); err != nil {
		return err
	}
	sb.Stamp.Boot = [16]byte{} // nothing volatile is there to be adopted
	if err := state.WriteSuperblock(st.File, sb); err != nil {
		return fmt.Errorf("write %s: %w", o.store.Name(), err)
	}
	return nil
}

func (o *opening) fillDest(d dest.Dest, sb *state.Superblock, fresh bool) error {
	if !fresh {
		ours, err := halfMade(d, sb)
		if err != nil {
			return fmt.Errorf("read %s: %w", o.dst.Name(), err)
		}
		if !ours {
			return fmt.Errorf("%s: %w, and %s says that one is being made: delete that", o.dst.Name(), ErrPlain, o.store.Name())
		}
	}
	var err error
	if sb.Size >= state.FirstBytes {
		err = putGuard(d, sb.Guard(), sb.Size)
	} else if _, err = d.WriteAt(sb.First[:sb.Size], 0); err == nil {
		err = d.Sync()
	}
	if err != nil {
		return fmt.Errorf("make %s: %w", o.dst.Name(), err)
	}
	return nil
}

// halfMade tells whether dest may be what a crash in fillDest left: empty, or with some or all of
// its first bytes, or with room for them, or with its guard. Nothing else is ours to write over.
func halfMade(d dest.Dest, sb *state.Superblock) (bool, error) {
	size, err := d.Size()
	if err != nil {
		return false, err
	}
	front, err := readFront(d)
	if err != nil {
		return false, err
	}
	guard := sb.Guard()
	begun := guard[:]
	if sb.Size < state.FirstBytes {
		begun = sb.First[:sb.Size]
	}
	if size > int64(len(begun)) {
		return bytes.Equal(front, guard[:]), nil
	}
	return bytes.HasPrefix(begun, front) || len(bytes.Trim(front, "\x00")) == 0, nil
}
