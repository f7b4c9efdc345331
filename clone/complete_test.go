package clone

import (
	"bytes"
	"context"
	"errors"
	"sync/atomic"
	"syscall"
	"testing"

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

// When the record of the last phase cannot be written, dest bears its own first bytes all the
// same, and what is written to them is not lost.
func TestFirstBytesAreNotLostWhenThePhaseCannotBeRecorded(t *testing.T) {
	r := newRig(t, 200_000, quiet, keep)
	_, faults := faulty(r)
	attempt := r.oneAttempt()
	r.open()
	r.hydrateAll()
	if err := r.c.commit(context.Background()); err != nil || !state.IsGuard(r.image()) {
		t.Fatalf("commit: %v; guard stands: %v", err, state.IsGuard(r.image()))
	}
	faults.Inject(faultio.Fault{Op: faultio.Write, K: 2}) // the first is phase completing
	if err := attempt(); err != nil && !faultio.Injected(err) {
		t.Fatal(err)
	}
	if state.IsGuard(r.image()) || faults.Hits() == 0 {
		t.Fatal("the guard stands")
	}
	r.write([]byte("SQLite format 4"), 0)
	want := bytes.Clone(r.content)
	copy(want, "SQLite format 4")
	r.expect(want)
	attempt()
	r.expect(want)
	kill(r.c)
	r.open()
	r.expect(want)
	if err := r.c.Close(); err != nil {
		t.Error(err)
	}
	if i := differ(r.image(), want); i >= 0 {
		t.Errorf("dest differs at byte %d", i)
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
