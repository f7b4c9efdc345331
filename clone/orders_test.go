package clone

import (
	"bytes"
	"context"
	"errors"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"

	"hydrant/clone/state"
	"hydrant/dest"
	"hydrant/internal/crashdest"
)

// syncHook is a destination with something happening at the end of a sync: what is written then is
// not covered by it.
type syncHook struct {
	dest.Target
	after atomic.Pointer[func()]
}

func (h *syncHook) Open() (dest.Dest, error) { return h.wrap(h.Target.Open()) }

func (h *syncHook) wrap(d dest.Dest, err error) (dest.Dest, error) { return &syncHooked{d, h}, err }

type syncHooked struct {
	dest.Dest
	h *syncHook
}

func (d *syncHooked) Sync() error {
	err := d.Dest.Sync()
	if f := d.h.after.Swap(nil); f != nil {
		(*f)()
	}
	return err
}

// A region that another process writes while dest is synced is not in the commit: its bytes came
// too late (I1).
func TestWordsAreCopiedBeforeTheSync(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx := context.Background()
		disk := &crashdest.Disk{}
		hook := &syncHook{Target: disk}
		r := newRig(t, 200_000, quiet, keep)
		r.dst = hook
		a := r.open()
		b := r.open()
		if _, err := a.WriteAt(ctx, fill('a', 512), 100<<10); err != nil {
			t.Fatal(err)
		}
		late := func() {
			if _, err := b.WriteAt(ctx, fill('b', 512), 120<<10); err != nil {
				t.Error(err)
			}
		}
		synctest.Wait() // for what commits by itself
		hook.after.Store(&late)
		if err := a.Sync(ctx); err != nil {
			t.Fatal(err)
		}
		kill(a)
		kill(b)
		lost := &crashdest.Disk{}
		for seed := range uint64(200) {
			// The late write must have been lost, or there is nothing to see.
			if lost = disk.Crash(rand.New(rand.NewPCG(seed, 1))); lost.Image()[120<<10] != 'b' {
				break
			}
		}
		if lost.Image()[120<<10] == 'b' {
			t.Fatal("no power loss loses the late write")
		}
		r.dst, r.store.Mount = lost, r.store.Mount+1
		r.open()
		want := bytes.Clone(r.content)
		copy(want[100<<10:], fill('a', 512))
		r.expect(want)
	})
}

// Whoever copied early and appends late does not take back the first bytes that another process has
// made durable in between (I3).
func TestLateAppendTakesNothingBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx := context.Background()
		hook := &syncHook{Target: dest.Memory()}
		r := newRig(t, 200_000, quiet, keep)
		r.dst = hook
		a := r.open()
		b := r.open()
		synctest.Wait() // for what commits by itself
		if _, err := a.WriteAt(ctx, fill('a', 512), 100<<10); err != nil {
			t.Fatal(err)
		}
		early := func() {
			if _, err := b.WriteAt(ctx, []byte("first"), 3); err != nil {
				t.Error(err)
			}
			if err := b.Sync(ctx); err != nil {
				t.Error(err)
			}
		}
		hook.after.Store(&early)
		if err := a.Sync(ctx); err != nil {
			t.Fatal(err)
		}
		kill(a)
		kill(b)
		r.store.Mount++ // nothing volatile counts
		r.open()
		want := bytes.Clone(r.content)
		copy(want[100<<10:], fill('a', 512))
		copy(want[3:], "first")
		r.expect(want)
	})
}

// A sync that succeeds here proves nothing when one has failed elsewhere meanwhile: the kernel tells
// of a lost write once, and the other one was told.
func TestFailedSyncOfAnotherProcessIsOurs(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx := context.Background()
		hook := &syncHook{Target: dest.Memory()}
		r := newRig(t, 200_000, quiet, keep)
		r.dst = hook
		a := r.open()
		b := r.open()
		fails := func() { b.setMode(state.ReadOnly, errors.New("sync: input/output error")) }
		synctest.Wait() // for what commits by itself
		if _, err := a.WriteAt(ctx, fill('a', 512), 100<<10); err != nil {
			t.Fatal(err)
		}
		hook.after.Store(&fails)
		if err := a.Sync(ctx); !errors.Is(err, ErrReadOnly) {
			t.Errorf("sync: %v, want ErrReadOnly", err)
		}
		maps, _ := a.durable.Maps()
		if maps[state.Written][(100<<10>>9)/64] != 0 {
			t.Error("what was not synced for certain is recorded")
		}
	})
}

// Only who is alone judges: where nothing volatile would be adopted, a newcomer that judged would
// take away what the living have written (I5).
func TestNewcomerLeavesTheMapsAlone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, 200_000, quiet, keep)
		r.open()
		synctest.Wait() // for what commits by itself
		r.write(fill('a', 512), 100<<10)
		r.store.Mount++
		r.open()
		want := bytes.Clone(r.content)
		copy(want[100<<10:], fill('a', 512))
		r.expect(want)
	})
}

// A discard waits for the copy of another process into the same regions, which would else come
// after it.
func TestDiscardWaitsForAnotherProcess(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx := context.Background()
		r := newRig(t, 200_000, quiet, keep)
		a := r.open()
		r.open()
		release, err := a.claims.acquire(ctx, span{200, 201})
		if err != nil {
			t.Fatal(err)
		}
		done := make(chan error, 1)
		go func() { done <- r.c.Discard(ctx, 200<<9, 512) }()
		if _, err := a.dst.WriteAt(r.content[200<<9:201<<9], 200<<9); err != nil {
			t.Fatal(err)
		}
		synctest.Wait()
		if len(done) > 0 {
			t.Error("discarded under another's claim")
		}
		a.publish(span{200, 201})
		release()
		if err := <-done; err != nil {
			t.Error(err)
		}
		if got := r.read(200<<9, 512); !bytes.Equal(got, make([]byte, 512)) {
			t.Errorf("the source shows through a discard: %x…", got[:8])
		}
	})
}

// onlooker are companions that look at dest when they are published.
type onlooker struct{ look func() }

func (onlooker) Conflict() (string, error) { return "", nil }
func (onlooker) InTheWay() (string, error) { return "", nil }
func (w onlooker) Publish() error          { w.look(); return nil }

// Companions bear their public names before dest is a database to strangers: one that has no
// journal beside it would be taken for whole.
func TestCompanionsComeBeforeTheFirstBytes(t *testing.T) {
	r := newRig(t, 200_000, quiet, keep) // more than comes with opening
	r.open()
	published := 0
	r.c.comp = onlooker{func() { // before all is local: from then on it may complete by itself
		published++
		if !state.IsGuard(r.image()) {
			t.Error("dest bears its own first bytes already")
		}
	}}
	if err := r.c.Hydrate(context.Background(), 0, 200_000); err != nil {
		t.Fatal(err)
	}
	if err := r.c.completeNow(context.Background()); err != nil {
		t.Fatal(err)
	}
	if published != 1 {
		t.Errorf("published %d times", published)
	}
}

// writeHook is a destination that tells of each write before it is done.
type writeHook struct {
	dest.Target
	before func(off int64, n int)
}

func (h *writeHook) Open() (dest.Dest, error) { return h.wrap(h.Target.Open()) }

func (h *writeHook) wrap(d dest.Dest, err error) (dest.Dest, error) { return &writeHooked{d, h}, err }

type writeHooked struct {
	dest.Dest
	h *writeHook
}

func (d *writeHooked) WriteAt(p []byte, off int64) (int, error) {
	if d.h.before != nil {
		d.h.before(off, len(p))
	}
	return d.Dest.WriteAt(p, off)
}

// Once dest bears its first bytes nothing else is known of it: all of it must be on the disk before
// (I7).
func TestDestIsSyncedBeforeItsFirstBytes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx := context.Background()
		disk := &crashdest.Disk{}
		hook := &writeHook{Target: disk}
		r := newRig(t, 200_000, quiet, keep, func(o *Options) {
			o.Quiesce = func(context.Context, func() error) error { return errors.New("not yet") }
		})
		r.dst = hook
		r.open()
		if err := r.c.Hydrate(ctx, 0, 200_000); err != nil {
			t.Fatal(err)
		}
		synctest.Wait() // for what commits by itself
		r.write(fill('a', 512), 100<<10)
		fell := false
		hook.before = func(off int64, n int) {
			if fell = fell || off == 0 && n == state.FirstBytes; disk.Unsynced() > 0 {
				t.Errorf("%d operations are not synced", disk.Unsynced())
			}
		}
		if err := r.c.completeNow(ctx); err != nil || !fell {
			t.Fatalf("complete: %v; first bytes written: %v", err, fell)
		}
		hook.before = nil
	})
}

// rendezvous makes two closers come to each of their first two tries for the attach lock before
// either goes on.
type rendezvous struct {
	state.File
	tries []*sync.WaitGroup
}

func (m *rendezvous) TryLock(off, n int64, exclusive bool) (bool, error) {
	ok, err := m.File.TryLock(off, n, exclusive)
	if off == state.LockAttach && exclusive && len(m.tries) > 0 {
		m.tries[0].Done()
		m.tries[0].Wait()
		m.tries = m.tries[1:]
	}
	return ok, err
}

// Two that close at the same time find each other in their way: one of them is the last all the
// same.
func TestOneOfTwoClosersIsTheLast(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var files []*rendezvous
		r := newRig(t, 2000, quiet)
		r.store.Wrap = func(f state.File) state.File {
			m := &rendezvous{File: f}
			files = append(files, m)
			return m
		}
		a := r.open()
		b := r.open()
		if err := a.Hydrate(context.Background(), 0, 2000); err != nil {
			t.Fatal(err)
		}
		var first, second, both sync.WaitGroup
		first.Add(2)
		second.Add(2)
		for _, m := range files[len(files)-2:] {
			m.tries = []*sync.WaitGroup{&first, &second}
		}
		for _, c := range []*Clone{a, b} {
			both.Go(func() {
				if err := c.Close(); err != nil {
					t.Error(err)
				}
			})
		}
		both.Wait()
		if r.store.Image() != nil {
			t.Error("the state file is still there")
		}
	})
}

// vanishing is a state file whose attach lock frees itself between the two tries of a newcomer.
type vanishing struct {
	state.File
	between func()
}

func (v *vanishing) TryLock(off, n int64, exclusive bool) (bool, error) {
	if off == state.LockAttach && !exclusive && v.between != nil {
		v.between()
		v.between = nil
	}
	return v.File.TryLock(off, n, exclusive)
}

// Whoever finds the attach lock taken and is let in a moment later is not in good company for that:
// he who had it may have died before he had judged, and the maps are those of another boot (I1).
func TestNobodyJoinsTheDead(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		disk := &crashdest.Disk{}
		r := newRig(t, 200_000, quiet, keep)
		r.dst = disk
		r.open()
		synctest.Wait() // for what commits by itself
		before := disk.CrashKeepAll()
		r.write(fill('a', 512), 100<<10)
		kill(r.c)
		r.dst, r.store.Mount = before, r.store.Mount+1 // power was lost, and the write with it

		judging, err := r.store.Open()
		if err != nil {
			t.Fatal(err)
		}
		if ok, err := judging.TryLock(state.LockAttach, 1, true); !ok || err != nil {
			t.Fatal(ok, err)
		}
		r.store.Wrap = func(f state.File) state.File {
			return &vanishing{f, func() { judging.Close() }}
		}
		r.open()
		r.expect(r.content)
	})
}
