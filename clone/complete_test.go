package clone

import (
	"bytes"
	"context"
	"errors"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"hydrant/clone/state"
	"hydrant/dest"
	"hydrant/internal/crashdest"
	"hydrant/internal/faultio"
)

// faultyFile is a state file whose durable writes fail as the injector says.
type faultyFile struct {
	state.File
	faults *faultio.Injector
}

func (f *faultyFile) WriteSync(p []byte, off int64) error {
	if err := f.faults.Do(faultio.Write); err != nil {
		return err
	}
	return f.File.WriteSync(p, off)
}

// faulty makes dest and state file of the rig fail on demand.
func faulty(r *rig) (dest, store *faultio.Injector) {
	dest, store = &faultio.Injector{}, &faultio.Injector{}
	r.dst = faultio.WrapTarget(r.dst, dest)
	r.store.Wrap = func(f state.File) state.File { return &faultyFile{f, store} }
	return dest, store
}

// hydrateAll makes everything local, so that what is left is to complete.
func (r *rig) hydrateAll() {
	r.t.Helper()
	if err := r.c.Hydrate(context.Background(), 0, int64(len(r.content))); err != nil {
		r.t.Fatal(err)
	}
}

// oneAttempt lets the clone be completed only when the returned function is called, once each time.
func (r *rig) oneAttempt() (attempt func() error) {
	var allowed atomic.Int32
	r.opts.Quiesce = func(ctx context.Context, publish func() error) error {
		if allowed.Add(-1) != 0 {
			allowed.Add(1)
			return errors.New("not now")
		}
		return publish()
	}
	return func() error {
		r.c.completing.Lock() // not the keeper, then
		allowed.Store(1)
		r.c.completing.Unlock()
		err := r.c.tryComplete(context.Background(), true)
		allowed.Store(0)
		return err
	}
}

// When a phase cannot be recorded, what is written to the first bytes is not lost, wherever
// they are just then.
func TestFirstBytesAreNotLostWhenAPhaseCannotBeRecorded(t *testing.T) {
	for k := 1; ; k++ {
		r := newRig(t, 200_000, quiet, keep)
		_, faults := faulty(r)
		attempt := r.oneAttempt()
		r.open()
		r.hydrateAll()
		if err := r.c.Sync(context.Background()); err != nil {
			t.Fatal(err)
		}
		faults.Inject(faultio.Fault{Op: faultio.Write, K: k})
		attempt()
		hit := faults.Hits() > 0
		r.write([]byte("SQLite format 4"), 0)
		want := bytes.Clone(r.content)
		copy(want, "SQLite format 4")
		r.expect(want)
		attempt()
		r.expect(want)
		faults.Inject()
		kill(r.c)
		r.open()
		r.expect(want)
		if err := r.c.Close(); err != nil {
			t.Error(err)
		}
		if i := differ(r.image(), want); i >= 0 {
			t.Errorf("fault %d: dest differs at byte %d", k, i)
		}
		if !hit {
			break
		}
	}
}

// Once dest bears its own first bytes the clone is complete for all who use it, although that could not
// be recorded: side files have their public names, and nobody waits.
func TestFirstBytesAreEnoughToBeComplete(t *testing.T) {
	ctx := context.Background()
	r := newRig(t, 200_000, quiet, keep)
	_, faults := faulty(r)
	attempt := r.oneAttempt()
	other := r.open()
	r.open()
	r.hydrateAll()
	if err := r.c.Sync(ctx); err != nil {
		t.Fatal(err)
	}
	faults.Inject(faultio.Fault{Op: faultio.Write, K: 2, Sticky: true}) // the second says that it is complete
	if err := attempt(); !errors.Is(err, syscall.EIO) {
		t.Fatalf("completed: %v", err)
	}
	if state.IsGuard(r.image()[:state.FirstBytes]) {
		t.Fatal("the guard stands")
	}
	for _, c := range []*Clone{r.c, other} {
		if s := c.Status(); s.State != StateComplete {
			t.Errorf("state %s", s.State)
		}
		err := c.Companions(func(private bool) error {
			if private {
				t.Error("side files have private names")
			}
			return nil
		})
		if err != nil {
			t.Error(err)
		}
		if err := c.Wait(ctx); err != nil {
			t.Errorf("wait: %v", err)
		}
	}
}

// What is written after a kept clone was completed is known as written after it was closed and power
// was lost.
func TestWrittenSinceCompleteIsKnownAfterPowerLoss(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, _ := crashRig(t, 200_000, quiet, keep)
		r.open()
		r.hydrateAll()
		if err := r.c.completeNow(context.Background()); err != nil {
			t.Fatal(err)
		}
		time.Sleep(2 * commitPeriod) // the keeper has left
		r.write([]byte("late"), 100_000)
		want := r.c.Status()
		if want.RegionsWritten != 1 || want.DirtyPages == 0 {
			t.Fatalf("%+v", want)
		}
		if err := r.c.Close(); err != nil {
			t.Fatal(err)
		}
		r.powerLoss(true, 0)
		if s := r.c.Status(); s.RegionsWritten != want.RegionsWritten || s.DirtyPages != want.DirtyPages || s.State != StateComplete {
			t.Errorf("%+v, was %+v", s, want)
		}
		kill(r.c)
	})
}

// slowFile is slow to go on after it has written a superblock.
type slowFile struct {
	state.File
	wait func()
}

func (f *slowFile) Unlock(off, n int64) error {
	err := f.File.Unlock(off, n)
	if off == state.LockSuper {
		f.wait()
	}
	return err
}

// The phase never goes back when two processes complete the clone at once: in between, first bytes
// would be written where they are no more.
func TestPhaseNeverGoesBack(t *testing.T) {
	r := newRig(t, 200_000, quiet, keep)
	quick := r.open()
	var hold atomic.Bool
	r.store.Wrap = func(f state.File) state.File {
		return &slowFile{f, func() {
			// until the other one is done, unless that waits for us
			for begin := time.Now(); hold.Load() && quick.phase() != state.Complete && time.Since(begin) < 1500*time.Millisecond; {
				time.Sleep(time.Millisecond)
			}
		}}
	}
	slow := r.open()
	hold.Store(true)
	last := state.Live
	var both sync.WaitGroup
	both.Go(func() { r.hydrateAll(); slow.tryComplete(context.Background(), false) })
	both.Go(func() {
		for begin := time.Now(); last != state.Complete && time.Since(begin) < 5*time.Second; {
			if now := slow.phase(); now < last {
				t.Errorf("from %v back to %v", last, now)
			} else {
				last = now
			}
		}
		time.Sleep(100 * time.Millisecond)
		if now := slow.phase(); now < last {
			t.Errorf("from %v back to %v", last, now)
		}
	})
	both.Wait()
	if last != state.Complete {
		t.Errorf("phase %v in the end", last)
	}
	quick.Close()
	slow.Close()
}

// Each operation on dest fails once while the clone is completed, or from then on, or half done.
func TestCompletionSurvivesEachFault(t *testing.T) {
	for _, fault := range []faultio.Fault{
		{Err: syscall.EIO},
		{Err: syscall.EIO, Sticky: true},
		{Err: syscall.ENOSPC, Short: true},
		{Err: syscall.ENOSPC, Short: true, Sticky: true},
	} {
		for k := 1; ; k++ {
			r := newRig(t, 200_000, quiet, keep)
			faults, _ := faulty(r)
			attempt := r.oneAttempt()
			r.open()
			r.hydrateAll()
			fault.K = k
			faults.Inject(fault)
			attempt()
			hit := faults.Hits() > 0
			faults.Inject()
			// What was cut off may have been a write of other first bytes than these.
			want := bytes.Clone(r.content)
			other := []byte("sixteen bytes, +")
			if _, err := r.c.WriteAt(context.Background(), other, 0); err == nil {
				copy(want, other)
			} else if !errors.Is(err, ErrReadOnly) {
				t.Fatalf("%v: write: %v", fault, err)
			}
			if k%2 == 0 {
				attempt()
			}
			r.expect(want)
			kill(r.c)
			r.open()
			if r.c.mode() != state.ReadWrite {
				copy(want, r.read(0, 16)) // what may not have been synced is not known
				if got := string(want[:16]); got != string(other) && got != string(r.content[:16]) {
					t.Errorf("%v: first bytes %q", fault, got)
				}
			}
			r.expect(want)
			if err := r.c.Close(); err != nil {
				t.Errorf("%v: close: %v", fault, err)
			}
			if i := differ(r.image(), want); i >= 0 && (i > 0 || !state.IsGuard(r.image())) {
				t.Errorf("%v: dest differs at byte %d", fault, i)
			}
			if !hit {
				break
			}
		}
	}
}

// lateFailure fails the first sync after the guard was taken down.
type lateFailure struct {
	*crashdest.Disk
	done atomic.Bool
}

type lateFailureDest struct {
	dest.Dest
	t *lateFailure
}

func (t *lateFailure) Open() (dest.Dest, error) {
	d, err := t.Disk.Open()
	return &lateFailureDest{d, t}, err
}

func (d *lateFailureDest) Sync() error {
	if !state.IsGuard(d.t.Image()) && d.t.done.CompareAndSwap(false, true) {
		d.t.FailSync(syscall.EIO)
	}
	return d.Dest.Sync()
}

// A sync that fails while the guard is taken down is not tried again and believed: the bytes may
// be gone. The clone is read-only, and dest is told its first bytes anew before it counts as
// complete.
func TestFailedSyncOfTheFirstBytesIsNotBelievedLater(t *testing.T) {
	r := newRig(t, 200_000, quiet, keep)
	disk := &lateFailure{Disk: &crashdest.Disk{}}
	disk.done.Store(true)
	r.dst = disk
	r.open()
	disk.done.Store(false)
	r.hydrateAll()
	for range 3 {
		r.c.tryComplete(context.Background(), true)
	}
	if !disk.done.Load() || r.c.mode() != state.ReadOnly || r.c.phase() == state.Complete {
		t.Fatalf("mode %v, phase %v", r.c.mode(), r.c.phase())
	}
	r.expect(r.content)
	if _, err := r.c.WriteAt(context.Background(), []byte("x"), 0); !errors.Is(err, ErrReadOnly) {
		t.Errorf("write: %v", err)
	}
	kill(r.c)
	r.open()
	r.expect(r.content)
	if r.c.phase() != state.Complete {
		t.Fatalf("phase %v", r.c.phase())
	}
	// Now that it counts as complete, no power loss brings the guard back.
	for seed := range uint64(50) {
		if state.IsGuard(disk.Crash(newRand(seed)).Image()) {
			t.Fatal("complete, and the guard is back after power loss")
		}
	}
}
