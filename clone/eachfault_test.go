package clone

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"syscall"
	"testing"
	"time"

	"hydrant/clone/state"
	"hydrant/clone/state/statetest"
	"hydrant/dest"
	"hydrant/internal/crashdest"
	"hydrant/internal/faultio"
	"hydrant/source"
	"hydrant/source/sourcetest"
)

// faultyStore fails every operation on the state file and on its name as the injector says.
type faultyStore struct {
	inner  *statetest.Store
	faults *faultio.Injector
}

func (s *faultyStore) Name() string { return s.inner.Name() }

func (s *faultyStore) Open() (state.File, error) {
	if err := s.faults.Do(faultio.Open); err != nil {
		return nil, err
	}
	f, err := s.inner.Open()
	if err != nil {
		return nil, err
	}
	return &faultyState{f, s.faults}, nil
}

func (s *faultyStore) Create(fill func(state.File) error) error {
	if err := s.faults.Do(faultio.Create); err != nil {
		return err
	}
	return s.inner.Create(func(f state.File) error { return fill(&faultyState{f, s.faults}) })
}

func (s *faultyStore) Remove() error {
	if err := s.faults.Do("remove"); err != nil {
		return err
	}
	return s.inner.Remove()
}

// faultyState is an open file of a faultyStore. A short write has written its first half.
type faultyState struct {
	inner  state.File
	faults *faultio.Injector
}

func (f *faultyState) do(op faultio.Op, call func() error) error {
	if err := f.faults.Do(op); err != nil {
		return err
	}
	return call()
}

func (f *faultyState) ReadAt(p []byte, off int64) (n int, err error) {
	err = f.do(faultio.Read, func() error { n, err = f.inner.ReadAt(p, off); return err })
	return n, err
}

func (f *faultyState) WriteAt(p []byte, off int64) (n int, err error) {
	if err := f.faults.Do(faultio.Write); err != nil {
		f.half(err, p, off)
		return 0, err
	}
	return f.inner.WriteAt(p, off)
}

func (f *faultyState) WriteSync(p []byte, off int64) error {
	if err := f.faults.Do(faultio.Write); err != nil {
		f.half(err, p, off)
		return err
	}
	return f.inner.WriteSync(p, off)
}

func (f *faultyState) half(err error, p []byte, off int64) {
	if fault, ok := errors.AsType[*faultio.Error](err); ok && fault.Fault.Short {
		f.inner.WriteAt(p[:len(p)/2], off)
	}
}

func (f *faultyState) Sync() error { return f.do(faultio.Sync, f.inner.Sync) }
func (f *faultyState) Allocate(size int64) error {
	return f.do("allocate", func() error { return f.inner.Allocate(size) })
}

func (f *faultyState) Size() (n int64, err error) {
	err = f.do(faultio.Size, func() error { n, err = f.inner.Size(); return err })
	return n, err
}

func (f *faultyState) Map(off, n int64) (b []byte, err error) {
	err = f.do("map", func() error { b, err = f.inner.Map(off, n); return err })
	return b, err
}

func (f *faultyState) TryLock(off, n int64, exclusive bool) (ok bool, err error) {
	err = f.do("lock", func() error { ok, err = f.inner.TryLock(off, n, exclusive); return err })
	return ok, err
}

func (f *faultyState) ID() (id state.FileID, err error) {
	err = f.do("id", func() error { id, err = f.inner.ID(); return err })
	return id, err
}

func (f *faultyState) Current() (ok bool, err error) {
	err = f.do("current", func() error { ok, err = f.inner.Current(); return err })
	return ok, err
}

func (f *faultyState) Held(off int64) (bool, error) { return f.inner.Held(off) }

func (f *faultyState) Unlock(off, n int64) error { return f.inner.Unlock(off, n) }
func (f *faultyState) Close() error              { return f.inner.Close() }

// faultyDisk is a faultio.Target whose failed syncs have lost what they were asked to keep, though the
// next one succeeds: that is what the kernel does.
type faultyDisk struct {
	disk   *crashdest.Disk
	faults *faultio.Injector
}

func (t *faultyDisk) Name() string { return t.disk.Name() }

func (t *faultyDisk) Open() (dest.Dest, error) {
	return t.opened(faultio.WrapTarget(t.disk, t.faults).Open())
}

func (t *faultyDisk) Create(fill func(dest.Dest) error) error {
	return faultio.WrapTarget(t.disk, t.faults).Create(func(d dest.Dest) error { return fill(&forgetful{d, t}) })
}

func (t *faultyDisk) opened(d dest.Dest, err error) (dest.Dest, error) {
	if err != nil {
		return nil, err
	}
	return &forgetful{d, t}, nil
}

type forgetful struct {
	dest.Dest
	target *faultyDisk
}

func (d *forgetful) Unwrap() dest.Dest { return d.Dest }

func (d *forgetful) Sync() error {
	err := d.Dest.Sync()
	if fault, ok := errors.AsType[*faultio.Error](err); ok {
		d.target.disk.FailSync(fault)
		d.Dest.(*faultio.Dest).Unwrap().Sync()
	}
	return err
}

// faultLife is a workload that goes through all that a clone does, from creation to detaching.
func faultLife() []step {
	complete := step{name: "complete", do: func(ctx context.Context, c *Clone) error {
		return errors.Join(c.Hydrate(ctx, 0, tinySize), c.tryComplete(ctx, true))
	}}
	read := step{name: "read", do: func(ctx context.Context, c *Clone) error {
		_, err := c.ReadAt(ctx, make([]byte, 100), 1500)
		return err
	}}
	return []step{
		read, writeStep(600, fill('b', 100)), writeStep(512, fill('a', 1024)), syncStep, writeStep(4, fill('c', 30)),
		rangeDiscard(1000, 600), truncateStep(1300), syncStep, truncateStep(2000), complete, writeStep(0, fill('d', 20)),
	}
}

// suspects are the states that a clone may be in after steps of which some have failed: each byte is
// that of one of them.
type suspects [][]byte

func (s suspects) after(is func([]byte) []byte, failed bool) suspects {
	var next suspects
	for _, b := range s {
		next = append(next, is(bytes.Clone(b)))
	}
	if failed {
		next = append(next, s...)
	}
	return next
}

func (s suspects) allow(got []byte) (int, bool) {
	m := model{past: s}
	return m.allows(got)
}

// allowedFailure tells whether an error may be what a fault leads to.
func allowedFailure(err error) bool {
	for _, e := range []error{ErrReadOnly, ErrFailed, ErrPaused, ErrStalled, ErrTimeout, ErrBusy, ErrIncomplete, source.ErrNotFound} {
		if errors.Is(err, e) {
			return true
		}
	}
	return faultio.Injected(err) || source.KindOf(err) == source.Transient
}

// TestEachFault lets each operation on dest, on the state file and at the source fail, once or from
// then on, in a life from creation to detaching. Nothing hangs; a read returns what it should or an
// error; what was answered and synced is there afterwards, also when power is lost then; and once
// the fault is gone the clone can be opened, and finished unless a sync had failed.
func TestEachFault(t *testing.T) {
	content := tinyContent()
	stride, seeds := 1, uint64(2)
	if *long {
		seeds = 20
	} else if testing.Short() || raceDetector {
		stride = 5
	}
	runs := 0
	for _, where := range []string{"dest", "state", "source"} {
		for _, fault := range []faultio.Fault{
			{Err: syscall.EIO}, {Err: syscall.ENOSPC, Short: true}, {Err: syscall.EINTR},
			{Err: syscall.EIO, Sticky: true}, {Err: syscall.ENOSPC, Short: true, Sticky: true},
		} {
			for k := 1; ; k += stride {
				fault.K = k
				runs++
				hit, err := faultRun(content, where, fault, seeds)
				if err != nil {
					t.Errorf("%s: %v: %v", where, fault, err)
				}
				if !hit {
					break
				}
			}
		}
	}
	t.Logf("%d lives", runs)
}

func faultRun(content []byte, where string, fault faultio.Fault, seeds uint64) (hit bool, err error) {
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	disk, store, src := new(crashdest.Disk), new(statetest.Store), sourcetest.NewFake(content)
	faults := faultio.New(fault)
	none := new(faultio.Injector)
	onDest, onState := none, none
	switch where {
	case "dest":
		onDest = faults
	case "state":
		onState = faults
	case "source":
		src.Plan(func(r sourcetest.Request) sourcetest.Fault {
			if faults.Do(faultio.Read) == nil {
				return sourcetest.Fault{}
			}
			f := sourcetest.Fault{Err: source.WithKind(fmt.Errorf("no answer (%w)", source.ErrNotFound), source.Final)}
			if !fault.Sticky {
				f.Err = sourcetest.Reset()
			}
			if fault.Short {
				f.After = min(100, r.Len-1)
			}
			return f
		})
	}
	opts := tinyOptions()
	opts.Knobs.Timeout = new(2 * time.Second)
	opts.Keep = true
	now, since := suspects{content}, suspects{content}
	c, err := Open(ctx, unclosed{src}, &faultyDisk{disk, onDest}, &faultyStore{store, onState}, opts)
	if err != nil && !allowedFailure(err) {
		return true, fmt.Errorf("open: %w", err)
	}
	if c != nil {
		defer kill(c)
		for _, s := range faultLife() {
			err := s.do(ctx, c)
			if ctx.Err() != nil {
				return true, fmt.Errorf("%s: it hangs: %w", s.name, err)
			}
			if err != nil && !allowedFailure(err) {
				return true, fmt.Errorf("%s: %w", s.name, err)
			}
			if s.is != nil {
				now = now.after(s.is, err != nil)
				since = append(since, now...)
			}
			if s.sync && err == nil {
				since = append(suspects(nil), now...)
			}
			got := make([]byte, 4096)
			n, err := c.ReadAt(ctx, got, 0)
			if i, ok := now.allow(got[:n]); err == io.EOF && !ok {
				return true, fmt.Errorf("after %s: byte %d of %d is wrong", s.name, i, n)
			}
		}
		if err := c.Detach(ctx); err != nil && !allowedFailure(err) {
			return true, fmt.Errorf("detach: %w", err)
		}
		rw := c.mode() == state.ReadWrite
		if err := c.Close(); err == nil && rw {
			since = append(suspects(nil), now...)
		} else if err != nil && !allowedFailure(err) {
			return true, fmt.Errorf("close: %w", err)
		}
	}
	hit = faults.Hits() > 0
	for seed := range seeds + 1 {
		left, kept, allowed := disk.CrashKeepAll(), store.Copy(), now
		if seed > 0 {
			rng := rand.New(rand.NewPCG(seed, uint64(fault.K)))
			left, kept, allowed = disk.Crash(rng), store.Crash(rng), since
		}
		if err := afterFault(content, left, kept, allowed, since); err != nil {
			return hit, fmt.Errorf("opened afterwards (power lost with seed %d, 0 is not): %w", seed, err)
		}
	}
	return hit, nil
}

// afterFault opens, without faults, what a life has left.
func afterFault(content []byte, disk *crashdest.Disk, store *statetest.Store, allowed, since suspects) error {
	ctx := context.Background()
	c, err := Open(ctx, unclosed{sourcetest.NewFake(content)}, disk, store, tinyOptions())
	if errors.Is(err, ErrPlain) && store.Image() == nil {
		if i, ok := allowed.allow(disk.Image()); !ok {
			return fmt.Errorf("plain: byte %d is wrong", i)
		}
		return nil
	}
	if err != nil {
		return err
	}
	defer kill(c)
	got, err := readWhole(c)
	if err != nil {
		return err
	}
	if c.mode() != state.ReadWrite {
		allowed = since // what could not be synced is not known; what was is there
	}
	if i, ok := allowed.allow(got); !ok {
		return fmt.Errorf("mode %v: byte %d of %d is wrong", c.mode(), i, len(got))
	}
	if c.mode() != state.ReadWrite {
		return nil
	}
	if err := errors.Join(c.Hydrate(ctx, 0, tinySize), c.Detach(ctx), c.Close()); err != nil {
		return fmt.Errorf("finish: %w", err)
	}
	return plainIs(disk, got)
}
