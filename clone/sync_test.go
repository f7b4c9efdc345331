package clone

import (
	"bytes"
	"context"
	"errors"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"hydrant/clone/state"
	"hydrant/dest"
)

// syncTeller is a destination that asks for leave to say how a sync went.
type syncTeller struct {
	dest.Target
	ask *atomic.Pointer[func() error]
}

func (h *syncTeller) Open() (dest.Dest, error) {
	d, err := h.Target.Open()
	return &toldSync{d, h}, err
}

type toldSync struct {
	dest.Dest
	h *syncTeller
}

func (d *toldSync) Sync() error {
	if ask := d.h.ask.Load(); ask != nil {
		if err := (*ask)(); err != nil {
			return err
		}
	}
	return d.Dest.Sync()
}

// keeperIsDone returns when the keeper has committed all there is: a commit of its own would stand
// before the next one, and wait for a sync that waits for that.
func keeperIsDone(t *testing.T, r *rig, ask *atomic.Pointer[func() error]) {
	t.Helper()
	var syncs atomic.Int32
	count := func() error { syncs.Add(1); return nil }
	ask.Store(&count)
	r.write([]byte("something to commit"), 100_000)
	r.c.poke()
	for idle := 0; idle < 3; time.Sleep(time.Millisecond) {
		r.c.commits.mu.Lock()
		if idle++; syncs.Load() == 0 || r.c.commits.running != nil {
			idle = 0
		}
		r.c.commits.mu.Unlock()
	}
}

// The kernel tells only one of two syncs at the same time of a write that was lost. The other one,
// here that of dest's first bytes, must not be believed: it may have been its write.
func TestOneOfTwoSyncsIsTold(t *testing.T) {
	for _, later := range []bool{false, true} { // which of the two is told first
		r := newRig(t, 200_000, quiet, keep, func(o *Options) {
			o.Quiesce = func(context.Context, func() error) error { return errors.New("not yet") }
		})
		var ask atomic.Pointer[func() error]
		r.dst = &syncTeller{r.dst, &ask}
		r.open()
		if err := r.c.Hydrate(t.Context(), 0, 200_000); err != nil {
			t.Fatal(err)
		}
		keeperIsDone(t, r, &ask)
		var failing, completing atomic.Bool
		firstBytes, failed, completed := make(chan struct{}), make(chan struct{}), make(chan struct{})
		leave := func() error {
			switch {
			case failing.CompareAndSwap(true, false): // the sync that is told
				if later {
					close(failed)
					select {
					case <-completed: // as nobody may, before the mode says it
					case <-time.After(200 * time.Millisecond):
					}
				}
				return syscall.EIO
			case r.c.phase() == state.Completing && completing.CompareAndSwap(true, false):
				close(firstBytes)
				<-failed
			}
			return nil
		}
		ask.Store(&leave)
		completing.Store(true)
		go func() {
			defer close(completed)
			if err := r.c.completeNow(t.Context()); !errors.Is(err, ErrReadOnly) {
				t.Errorf("later %v: complete: %v", later, err)
			}
		}()
		<-firstBytes
		failing.Store(true)
		if err := r.c.Sync(t.Context()); !errors.Is(err, ErrReadOnly) {
			t.Errorf("later %v: sync: %v", later, err)
		}
		if !later {
			close(failed)
		}
		<-completed
		if r.c.phase() == state.Complete {
			t.Errorf("later %v: it is complete, and its first bytes may be lost", later)
		}
		ask.Store(nil)
	}
}

// A sync that comes while a commit is under way is not told by that one, which has copied its words before:
// what was written in between is durable when it returns.
func TestSyncBehindACommitUnderWay(t *testing.T) {
	r, disk := crashRig(t, 200_000, quiet, keep)
	var ask atomic.Pointer[func() error]
	r.dst = &syncTeller{r.dst, &ask}
	r.open()
	r.write(fill('a', 512), 100*512)
	under, on := make(chan struct{}), make(chan struct{})
	var first atomic.Bool
	first.Store(true)
	hold := func() error {
		if first.CompareAndSwap(true, false) {
			close(under)
			<-on
		}
		return nil
	}
	ask.Store(&hold)
	one, two := make(chan error, 1), make(chan error, 1)
	go func() { one <- r.c.Sync(t.Context()) }()
	<-under // that of a keeper, perhaps
	r.write(fill('b', 512), 200*512)
	go func() { two <- r.c.Sync(t.Context()) }()
	for range 50 { // until it waits for its turn, as it should
		r.c.commits.mu.Lock()
		waits := r.c.commits.next != nil
		r.c.commits.mu.Unlock()
		if waits {
			break
		}
		time.Sleep(time.Millisecond)
	}
	time.Sleep(time.Millisecond)
	close(on)
	if err := <-two; err != nil {
		t.Fatal(err)
	}
	img := disk.Crash(newRand(1)).Image()
	d, err := state.OpenDurable(r.c.st.File, r.c.st.Layout, r.c.uuid)
	if err != nil {
		t.Fatal(err)
	}
	maps, _ := d.Maps()
	if !bytes.Equal(img[200*512:201*512], fill('b', 512)) || maps[state.Written][200/64]>>(200%64)&1 == 0 {
		t.Error("it returned before what was written was durable")
	}
	if err := <-one; err != nil {
		t.Error(err)
	}
}
