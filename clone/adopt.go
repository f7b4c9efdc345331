package clone

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io"

	"hydrant/clone/state"
	"hydrant/dest"
)

// ErrUnfit is returned by Adopt for a copy that cannot be a whole one.
var ErrUnfit = errors.New("cannot be adopted")

// Adoption says what Adopt did.
type Adoption struct {
	// Needed tells whether there was anything to adopt: a clone that lies where it was made, a copy
	// of one that was closed cleanly, and a plain file, need none.
	Needed bool
	// Cold is how many regions were hydrated and are cold again.
	Cold uint64
	// Written is how many were written here, and are kept.
	Written uint64
}

// Adopting a copy takes the word of the user that dest and state file were copied together while
// nobody used them. What need not be believed is not: every region that was hydrated and not
// written is fetched again. The copy becomes a clone of its own, with a uuid of its own, so that its
// files and those of the original are never taken for each other's:
//
//	dest is synced
//	the state file is replaced by one with the new uuid, which says whose guard dest still bears
//	dest gets the new guard, synced
//	the superblock says that it has it
//
// From the second step on it is adopted: whoever attaches goes on from there.

// Adopt makes a copy of a clone that was in use a clone of its own. It asks nothing of the source.
//
// Errors change nothing: ErrUnfit, for what cannot be a whole copy; ErrMismatch, when the guard is
// missing or another clone's; ErrBusy, while any process has the copy open.
func Adopt(dst dest.Target, store state.Store) (Adoption, error) {
	o := &opening{dst: dst, store: store}
	var a Adoption
	err := o.alone(func(f state.File) (err error) {
		a, err = o.adopt(f)
		return err
	})
	if err != nil || !a.Needed {
		return a, err
	}
	if err = o.alone(o.adoptDest); errors.Is(err, ErrBusy) {
		err = nil // whoever attached meanwhile has done it
	}
	return a, err
}

// AdoptPath is Adopt for the file at path.
func AdoptPath(path string) (Adoption, error) {
	dst, store, err := atPath(path)
	if err != nil {
		return Adoption{}, err
	}
	return Adopt(dst, store)
}

// adopt replaces the state file f, whose attach lock it needs exclusively.
func (o *opening) adopt(f state.File) (a Adoption, err error) {
	st, err := state.Load(f)
	if err != nil {
		return a, o.unreadable(err)
	}
	sb := st.Super
	if sb.Phase == state.Creating || sb.Clean {
		return a, nil
	}
	d, err := o.openDest(sb)
	if err != nil {
		return a, err
	}
	defer func() { err = errors.Join(err, d.Close()) }()
	now, err := stampOf(f, d)
	if err != nil {
		return a, err
	}
	if sb.Stamp.Judge(now, state.TrustNever) != state.Foreign {
		return a, nil
	}
	if err := o.ownFront(d, sb, nil); err != nil {
		return a, err
	}
	front, err := readFront(d)
	if err != nil {
		return a, err
	}
	if len(front) < state.FirstBytes || !state.IsGuard(front) {
		// It was complete, and bears its own first bytes: nothing of the maps is applied to it.
		sb.Clean = true
		return Adoption{Needed: true}, state.WriteSuperblock(f, sb)
	}
	store, ok := o.store.(state.Replacer)
	if !ok {
		return a, fmt.Errorf("%s: replace it: %w", o.store.Name(), errors.ErrUnsupported)
	}
	durable, err := state.OpenDurable(f, st.Layout, sb.UUID)
	if err != nil {
		return a, o.unreadable(err)
	}
	next, image, a := heir(sb, durable)
	if err := o.fit(d, sb, image.Maps[state.Written]); err != nil {
		return Adoption{}, err
	}
	if err := d.Sync(); err != nil {
		return a, fmt.Errorf("%s: %w", o.dst.Name(), err)
	}
	if _, err := io.ReadFull(rand.Reader, next.UUID[:]); err != nil {
		return a, err
	}
	copy(next.Adopts[:], front)
	// Nothing that somebody sees through the old file counts any more.
	st.Head.Format.Store(0)
	st.Head.Judged.Add(1)
	st.Head.Resets.Add(1)
	err = store.Replace(func(n state.File) error {
		var err error
		if next.Stamp, err = stampOf(n, d); err != nil {
			return err
		}
		next.Stamp.Forget()
		if err := state.Format(n, next); err != nil {
			return err
		}
		return state.WriteImage(n, st.Layout, next.UUID, 1, image)
	})
	if err != nil {
		return a, fmt.Errorf("replace %s: %w", o.store.Name(), err)
	}
	return a, nil
}

// heir is the superblock of the clone that the copy becomes, and what is durable of it: the
// original's but for what was only hydrated.
func heir(sb *state.Superblock, durable *state.Durable) (*state.Superblock, state.ImageContent, Adoption) {
	maps, first := durable.Maps()
	image := state.ImageContent{Maps: maps, First: first}
	image.Maps[state.Hydrated] = maps[state.Written]
	a := Adoption{Needed: true}
	for i, w := range maps[state.Written] {
		a.Written += ones(w)
		a.Cold += ones(maps[state.Hydrated][i] &^ w)
	}
	if len(maps[state.Written]) > 0 && maps[state.Written][0]&1 == 0 {
		image.First = sb.First
	}
	next := *sb
	next.Seq, next.Phase, next.Clean = 0, state.Live, false
	return &next, image, a
}

// fit tells why d cannot be a whole copy of a dest with these written regions.
func (o *opening) fit(d dest.Dest, sb *state.Superblock, written []uint64) error {
	size, err := d.Size()
	if err != nil {
		return err
	}
	if size < sb.Size {
		return fmt.Errorf("%s %w: it is %d bytes long and its source %d: either not all of it was copied, or it had been cut; copy it again while nobody has it open",
			o.dst.Name(), ErrUnfit, size, sb.Size)
	}
	p, ok := dest.As[dest.Prober](d)
	if !ok {
		return nil
	}
	geo := newGeometry(sb.Size, sb.RegionSize)
	for r := range geo.count {
		if written[r/64]>>(r%64)&1 == 0 {
			continue
		}
		off, n := geo.bytes(span{r, r + 1})
		has, err := p.HasData(off, n)
		if err != nil {
			return err
		}
		if !has {
			return fmt.Errorf("%s %w: bytes %d to %d were written here, and are a hole in it: it was copied before %s was, or by something that leaves zeros out; copy it again while nobody has it open",
				o.dst.Name(), ErrUnfit, off, off+n, o.store.Name())
		}
	}
	return nil
}

// adoptDest gives dest the new guard, unless somebody has done so who attached meanwhile and is gone
// again. It needs the attach lock exclusively, through f.
func (o *opening) adoptDest(f state.File) (err error) {
	sb, err := state.ReadSuperblock(f)
	if err != nil || sb.Adopts == [state.FirstBytes]byte{} {
		return err
	}
	d, err := o.openDest(sb)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, d.Close()) }()
	if err := o.ownFront(d, sb, nil); err != nil {
		return err
	}
	if err := finishAdoption(d, sb); err != nil {
		return err
	}
	return state.WriteSuperblock(f, sb)
}

// finishAdoption gives dest the clone's own guard in the place of another's. The caller records in
// the superblock that it has it.
func finishAdoption(d dest.Dest, sb *state.Superblock) error {
	if sb.Adopts == [state.FirstBytes]byte{} {
		return nil
	}
	guard := sb.Guard()
	if _, err := d.WriteAt(guard[:], 0); err != nil {
		return fmt.Errorf("write guard: %w", err)
	}
	if err := syncDest(d); err != nil {
		return err
	}
	sb.Adopts = [state.FirstBytes]byte{}
	return nil
}

// adopted tells whether front is the guard that dest bears until it is adopted, or what a write of
// the new one that was cut off left between the two.
func adopted(front []byte, sb *state.Superblock) bool {
	if len(front) < state.FirstBytes || sb.Adopts == [state.FirstBytes]byte{} {
		return false
	}
	guard := sb.Guard()
	for i, b := range front {
		if b != guard[i] && b != sb.Adopts[i] {
			return false
		}
	}
	return true
}
