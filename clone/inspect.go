package clone

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"time"

	"hydrant/clone/state"
	"hydrant/dest"
)

// Status says how the clone is doing. After Close, how it was doing then.
func (c *Clone) Status() (s Status) {
	if c.look != nil {
		return c.look.status()
	}
	leave, err := c.enter()
	if err == nil {
		func() {
			defer leave(&err)
			s = c.status()
		}()
	}
	if err == nil {
		return s
	}
	if broken := c.broken.Load(); broken != nil {
		return c.brokenStatus(*broken)
	}
	return *c.final.Load()
}

func (c *Clone) status() Status {
	s := describe(c.st.Super, c.st)
	s.RegionsHydrated = c.countLocal()
	if size, err := c.dst.Size(); err == nil {
		s.Size = size
	}
	if c.detached.Load() {
		s.State = StateDetached
	}
	return s
}

// describe is what the state file says, but for what takes counting to find out.
func describe(sb *state.Superblock, st *state.State) Status {
	h := st.Head
	s := Status{
		Mode: state.Mode(h.Mode.Load()).String(), Source: sb.URL, Identity: sb.Tag,
		Size: sb.Size, RegionSize: sb.RegionSize, RegionsTotal: st.Layout.Regions,
		RegionsHydrated: st.Maps[state.Hydrated].Count(),
		RegionsWritten:  st.Maps[state.Written].Count(),
		DirtyPages:      st.Maps[state.Dirty].Count(),
		BytesFetched:    h.Fetched.Load(), Requests: h.Requests.Load(), Error: h.GetError(),
		Hydration: h.Hydration.Load() != 0, Bandwidth: int64(h.Bandwidth.Load()),
		Connections: int(h.Connections.Load()), Batch: int64(h.Batch.Load()), Timeout: time.Duration(h.Timeout.Load()),
	}
	s.State = stateName(state.Phase(h.Phase.Load()), state.Activity(h.Activity.Load()), s.Hydration)
	if s.State == StateHydrating {
		s.Rate = float64(h.Rate.Load())
	}
	s.ETA = s.eta()
	return s
}

func stateName(p state.Phase, a state.Activity, on bool) string {
	switch {
	case p == state.Complete:
		return StateComplete
	case a == state.Stalled:
		return StateStalled
	case a == state.Paused || !on:
		return StatePaused
	}
	return StateHydrating
}

// eta is the time left at the present rate, in seconds, -1 when there is none to go by.
func (s *Status) eta() float64 {
	left := float64(s.RegionsTotal-min(s.RegionsHydrated, s.RegionsTotal)) * float64(s.RegionSize)
	switch {
	case s.State == StateComplete || s.State == StateDetached:
		return 0
	case s.State != StateHydrating || s.Rate <= 0:
		return -1
	}
	return left / s.Rate
}

// Inspect says how the clone at path is doing without attaching to it: others may be using it, or
// nobody. A plain file is detached. Errors: ErrOrphan, ErrNoDest, and what is wrong with the state
// file.
func Inspect(path string) (Status, error) {
	path, err := resolve(path)
	if err != nil {
		return Status{}, err
	}
	store := state.PathStore(path, 0)
	f, err := store.OpenReadOnly()
	if errors.Is(err, fs.ErrNotExist) {
		s, plainErr := inspectPlain(path)
		if !errors.Is(plainErr, ErrOrphan) {
			return s, plainErr
		}
		// It may be in the making: its state file came before its guard, and is there by now.
		if f, err = store.OpenReadOnly(); errors.Is(err, fs.ErrNotExist) {
			return s, plainErr
		}
	}
	if err != nil {
		return Status{}, fmt.Errorf("open state file: %w", err)
	}
	var s Status
	err = whileMapped(store.Name(), func() (err error) { s, err = inspectState(path, f); return err })
	if err = errors.Join(err, f.Close()); err != nil {
		return Status{}, fmt.Errorf("%s: %w", store.Name(), err)
	}
	return s, nil
}

func inspectPlain(path string) (Status, error) {
	st, err := os.Stat(path)
	if err != nil {
		return Status{}, err
	}
	if !st.Mode().IsRegular() {
		return Status{}, fmt.Errorf("%s: not a regular file", path)
	}
	mode := "rw"
	d, err := dest.File(path).Open()
	if errors.Is(denied(err), ErrAccess) {
		mode = "ro"
		d, err = openFront(dest.File(path))
	}
	if err != nil {
		return Status{}, err
	}
	front, err := readFront(d)
	if err = errors.Join(err, d.Close()); err != nil {
		return Status{}, fmt.Errorf("read %s: %w", path, err)
	}
	if state.IsGuard(front) {
		return Status{}, orphan(path, path+state.Suffix)
	}
	return Status{State: StateDetached, Mode: mode, Size: st.Size()}, nil
}

func inspectState(path string, f state.File) (Status, error) {
	st, err := state.Look(f)
	if err == nil {
		err = st.CopyMaps()
	}
	if err != nil {
		return Status{}, err
	}
	s := describe(st.Super, st)
	if time.Since(time.Unix(0, int64(st.Head.HydBeat.Load()))) > 3*time.Second {
		s.Rate, s.ETA = 0, -1 // whoever measured that is gone
		if s.State == StateComplete {
			s.ETA = 0
		}
	}
	if st.Head.Format.Load() != state.Version || !volatileCounts(path, st) {
		durable, err := state.OpenDurable(f, st.Layout, st.Super.UUID)
		if err != nil {
			return Status{}, err
		}
		s = describeDurable(st, durable)
	}
	fi, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) && st.Super.Phase > state.Creating {
		return Status{}, fmt.Errorf("%s: %w, its state file is there: delete that to begin again", path, ErrNoDest)
	}
	if err == nil {
		s.Size = fi.Size()
	}
	return s, nil
}

// volatileCounts tells whether the volatile part is the truth now: somebody has the clone open, or
// the next to open it would adopt it.
func volatileCounts(path string, st *state.State) bool {
	if live, err := st.File.Held(state.LockLive); err == nil && live {
		return true // somebody has it open, be it by another mount
	}
	now := state.Stamp{Boot: state.BootID()}
	var err1, err2 error
	now.State, err1 = st.File.ID()
	now.Dest, err2 = state.IDOfPath(path)
	return err1 == nil && err2 == nil && st.Super.Stamp.Judge(now, state.TrustBoot) == state.Adopt
}

func describeDurable(st *state.State, d *state.Durable) Status {
	maps, _ := d.Maps()
	s := Status{
		State: StateHydrating, Mode: state.ReadWrite.String(), Source: st.Super.URL, Identity: st.Super.Tag,
		Size: st.Super.Size, RegionSize: st.Super.RegionSize, RegionsTotal: st.Layout.Regions, ETA: -1,
		Hydration: true, Batch: DefaultBatch, Timeout: DefaultTimeout,
	}
	for i := range maps[state.Hydrated] {
		s.RegionsHydrated += ones(maps[state.Hydrated][i] | maps[state.Written][i])
		s.RegionsWritten += ones(maps[state.Written][i])
		s.DirtyPages += ones(maps[state.Dirty][i])
	}
	if st.Super.Phase == state.Complete {
		s.State, s.ETA = StateComplete, 0
	}
	return s
}
