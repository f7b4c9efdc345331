package clone

import (
	"errors"
	"fmt"

	"hydrant/clone/state"
	"hydrant/dest"
)

// Recovery says what Recover found and gave up.
type Recovery struct {
	// Mode is what the clone's was: rw means that there was nothing to do.
	Mode string
	// Error is why it was not rw.
	Error string
	// Cold is how many regions were local and are the source's again, of whose bytes nobody knows
	// whether the disk has them.
	Cold uint64
	// Lost is how many of the regions that were written have lost what was written since the last
	// sync that succeeded.
	Lost uint64
}

// Recover takes a clone back to mode rw after a sync that failed. Everything since the last commit
// is given up, as by a power loss: the kernel's memory of dest and of the state file is dropped,
// the durable maps are taken and written once more, and a sync that is asked for now has to
// succeed. The next Open goes on from there. A clone in mode rw, and a plain file, are left as they
// are. Side files of a database stay where they are: it recovers from them.
//
// An error leaves the mode as it was. ErrBusy while any process has the clone open.
func Recover(dst dest.Target, store state.Store) (Recovery, error) {
	o := &opening{dst: dst, store: store}
	r := Recovery{Mode: state.ReadWrite.String()}
	err := o.alone(func(f state.File) (err error) {
		r, err = o.recover(f)
		return err
	})
	return r, err
}

// RecoverPath is Recover for the file at path.
func RecoverPath(path string) (Recovery, error) {
	dst, store, err := atPath(path)
	if err != nil {
		return Recovery{}, err
	}
	return Recover(dst, store)
}

// recover needs the attach lock exclusively, through f.
func (o *opening) recover(f state.File) (Recovery, error) {
	r, err := o.assess()
	if err != nil || r.Mode == state.ReadWrite.String() {
		return r, err
	}
	// Before anything is read that is to be believed.
	if err := f.Sync(); err != nil {
		return r, fmt.Errorf("%s: still cannot be synced: %w", o.store.Name(), err)
	}
	if p, ok := f.(dest.Dropper); ok {
		if err := p.DropCache(); err != nil {
			return r, err
		}
	}
	st, err := state.Load(f)
	if err != nil {
		return r, o.unreadable(err)
	}
	d, err := o.openDest(st.Super)
	if err != nil {
		return r, err
	}
	return r, errors.Join(o.settleDest(st, d), d.Close())
}

// assess says what mode the clone is in, and what recovering it costs. It closes what it opens: a
// file that is mapped cannot be dropped from memory.
func (o *opening) assess() (r Recovery, err error) {
	f, err := o.store.Open()
	if err != nil {
		return r, err
	}
	defer func() { err = errors.Join(err, f.Close()) }()
	st, err := state.Load(f)
	if err != nil {
		return r, o.unreadable(err)
	}
	r.Mode = state.ReadWrite.String()
	if st.Super.Phase == state.Creating {
		return r, nil // nothing of dest is believed yet
	}
	d, err := o.openDest(st.Super)
	if err != nil {
		return r, err
	}
	defer func() { err = errors.Join(err, d.Close()) }()
	if err := o.ownFront(d, st.Super, nil); err != nil {
		return r, err
	}
	now, err := stampOf(f, d)
	if err != nil {
		return r, err
	}
	mode := leftMode(st, now)
	if mode == state.ReadWrite {
		return r, nil
	}
	durable, err := state.OpenDurable(f, st.Layout, st.Super.UUID)
	if err != nil {
		return r, o.unreadable(err)
	}
	lost := costOf(st, durable)
	// Before anything is dropped: whoever looks on may see other bytes from here on.
	st.Head.Judged.Add(1)
	st.Head.Resets.Add(1)
	return Recovery{Mode: mode.String(), Error: st.Head.GetError(), Cold: lost.local, Lost: lost.written}, nil
}

// settleDest makes certain what dest holds, and lets the durable maps rule. Until the superblock is
// written the mode is what it was.
func (o *opening) settleDest(st *state.State, d dest.Dest) error {
	if err := d.Sync(); err != nil {
		return fmt.Errorf("%s: still cannot be synced: %w", o.dst.Name(), err)
	}
	if p, ok := dest.As[dest.Dropper](d); ok {
		if err := p.DropCache(); err != nil {
			return err
		}
	}
	if err := o.ownFront(d, st.Super, nil); err != nil {
		return err
	}
	durable, err := state.OpenDurable(st.File, st.Layout, st.Super.UUID)
	if err != nil {
		return o.unreadable(err)
	}
	if err := durable.Renew(); err != nil {
		return fmt.Errorf("%s: %w", o.store.Name(), err)
	}
	if st.Super.Stamp, err = stampOf(st.File, d); err != nil {
		return err
	}
	st.Super.Stamp.Forget()
	st.Super.Clean = false
	if err := state.WriteSuperblock(st.File, st.Super); err != nil {
		return fmt.Errorf("write %s: %w", o.store.Name(), err)
	}
	st.Reset(durable)
	st.Head.Mode.Store(uint64(state.ReadWrite))
	return nil
}
