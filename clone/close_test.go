package clone

import (
	"bytes"
	"context"
	"errors"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"hydrant/source/sourcetest"
)

// Two processes that close at the same moment find each other in the way. One of them is the last
// all the same.
func TestClosersAtTheSameTimeDetach(t *testing.T) {
	for range 300 {
		r := newRig(t, 2000)
		a := r.open()
		b := r.open()
		r.wait()
		var both sync.WaitGroup
		for _, c := range []*Clone{a, b} {
			both.Go(func() {
				if err := c.Close(); err != nil {
					t.Error(err)
				}
			})
		}
		both.Wait()
		if r.store.Image() != nil {
			t.Fatal("the state file is still there")
		}
	}
}

func TestCloseEndsCallsUnderWay(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, 1<<20, keep)
		r.src.Plan(func(q sourcetest.Request) sourcetest.Fault { return sourcetest.Fault{Stall: !q.Identify} })
		r.open()
		ctx := context.Background()
		calls := map[string]func() error{
			"read":    func() error { _, err := r.c.ReadAt(ctx, make([]byte, 10), 500_000); return err },
			"write":   func() error { _, err := r.c.WriteAt(ctx, make([]byte, 10), 600_000); return err },
			"hydrate": func() error { return r.c.Hydrate(ctx, 700_000, 1000) },
			"cut":     func() error { return r.c.Truncate(ctx, 800_000) },
			"wait":    func() error { return r.c.Wait(ctx) },
		}
		type result struct {
			name string
			err  error
		}
		results := make(chan result)
		for name, call := range calls {
			go func() { results <- result{name, call()} }()
		}
		synctest.Wait()
		begin := time.Now()
		if err := r.c.Close(); err != nil {
			t.Errorf("close: %v", err)
		}
		if d := time.Since(begin); d > time.Second {
			t.Errorf("close took %v", d)
		}
		for range calls {
			if got := <-results; !errors.Is(got.err, ErrClosed) {
				t.Errorf("%s: %v, want ErrClosed", got.name, got.err)
			}
		}
		for name, call := range calls {
			if err := call(); !errors.Is(err, ErrClosed) {
				t.Errorf("%s after close: %v, want ErrClosed", name, err)
			}
		}
		if err := r.c.Close(); err != nil {
			t.Errorf("close again: %v", err)
		}
		// that no goroutine is left is synctest's to find out
	})
}

// A call may be made inside another one's callback while somebody closes the clone, which waits
// for the callback.
func TestCallsInsideCallbacksDoNotWaitForClose(t *testing.T) {
	r := newRig(t, 1<<20, quiet)
	r.open()
	err := r.c.Companions(func(bool) error {
		go r.c.Close()
		for r.c.inside.TryRLock() { // until Close waits for us
			r.c.inside.RUnlock()
			runtime.Gosched()
		}
		if s := r.c.Status(); s.State != StatePaused || s.RegionsTotal != 2048 {
			t.Errorf("status while closing: %+v", s)
		}
		r.c.Guarded()
		if _, err := r.c.Size(); !errors.Is(err, ErrClosed) {
			t.Errorf("size while closing: %v", err)
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}

// OnEvent and Quiesce may use the clone, and what they do may take its time.
func TestCallbacksMayUseTheClone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, 100_000, keep)
		ctx := context.Background()
		var seen []EventKind
		opened := make(chan struct{}) // callbacks may come before
		r.opts.OnEvent = func(e Event) {
			<-opened
			time.Sleep(time.Second)
			seen = append(seen, e.Kind)
			if e.Kind == Completed && r.c.Guarded() {
				t.Error("complete, and the guard stands")
			}
			r.read(0, 20)
			r.c.Status()
			r.c.Wait(ctx)
		}
		busy := 2
		r.opts.Quiesce = func(ctx context.Context, publish func() error) error {
			<-opened
			r.write([]byte("from inside"), 3)
			r.c.Companions(func(private bool) error {
				if !private {
					t.Error("side files are public before the end")
				}
				return nil
			})
			if busy--; busy >= 0 {
				return ErrTransaction
			}
			return publish()
		}
		r.open()
		close(opened)
		r.wait()
		want := append([]byte(nil), r.content...)
		copy(want[3:], "from inside")
		r.expect(want)
		time.Sleep(10 * time.Second)
		if err := r.c.Close(); err != nil {
			t.Error(err)
		}
		if len(seen) != 1 || seen[0] != Completed {
			t.Errorf("events %v", seen)
		}
	})
}

// What keeps the clone from being completed is there for status to show, and goes with its cause.
func TestStatusTellsWhatKeepsItFromCompleting(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, 1000, keep)
		var busy atomic.Bool
		busy.Store(true)
		r.opts.Quiesce = func(ctx context.Context, publish func() error) error {
			if busy.Load() {
				return ErrTransaction
			}
			return publish()
		}
		r.open()
		time.Sleep(3 * time.Second)
		if s := r.c.Status(); s.State != StateHydrating || s.Error != ErrTransaction.Error() || s.Percent() >= 100 {
			t.Errorf("%+v", s)
		}
		busy.Store(false)
		time.Sleep(3 * time.Second)
		if s := r.c.Status(); s.State != StateComplete || s.Error != "" || s.Percent() != 100 {
			t.Errorf("%+v", s)
		}
		r.c.Close()
	})
}

// Close comes while Quiesce is under way: that is told, and may use the clone to its end.
func TestCloseWaitsForQuiesce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, 100_000, keep)
		begun, left := make(chan struct{}), false
		r.opts.Quiesce = func(ctx context.Context, _ func() error) error {
			close(begun)
			<-ctx.Done()
			time.Sleep(time.Second)
			r.write([]byte("rolled back"), 70_000) // fails when the clone is closed
			if err := r.c.Sync(context.Background()); err != nil {
				t.Errorf("sync: %v", err)
			}
			if err := r.c.Companions(func(bool) error { return nil }); err != nil {
				t.Errorf("companions: %v", err)
			}
			left = true
			return ctx.Err()
		}
		r.open()
		<-begun
		if err := r.c.Close(); err != nil {
			t.Error(err)
		}
		if !left {
			t.Error("it did not wait")
		}
		want := bytes.Clone(r.content)
		copy(want[70_000:], "rolled back")
		if i := differ(r.image(), want); i >= 0 {
			t.Errorf("dest differs at byte %d", i)
		}
	})
}

// What keeps the clone from being completed and does not pass by itself is told to who waits; when it
// has been set right, it is completed.
func TestWaitEndsWhereCompletionFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, 1000, keep)
		var broken atomic.Bool
		broken.Store(true)
		errJournal := errors.New("the journal cannot be deleted")
		r.opts.Quiesce = func(_ context.Context, publish func() error) error {
			if broken.Load() {
				return errJournal
			}
			return publish()
		}
		r.open()
		ctx, stop := context.WithTimeout(context.Background(), time.Hour)
		defer stop()
		if err := r.c.Wait(ctx); !errors.Is(err, ErrPaused) || !errors.Is(err, errJournal) {
			t.Errorf("wait: %v", err)
		}
		if s := r.c.Status(); s.State != StatePaused || s.Error != errJournal.Error() {
			t.Errorf("%+v", s)
		}
		broken.Store(false)
		time.Sleep(3 * time.Second)
		if err := r.c.Wait(ctx); err != nil {
			t.Errorf("wait: %v", err)
		}
		if s := r.c.Status(); s.State != StateComplete || s.Error != "" {
			t.Errorf("%+v", s)
		}
		r.c.Close()
	})
}

// A call that uses names of side files may be made inside another one's callback, though
// completion waits for the other to end.
func TestCallsThatUseNamesMayBeNested(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, 100_000, quiet, keep)
		r.open()
		inside, owned := false, make(chan error, 1)
		err := r.c.Companions(func(bool) error {
			inside = true
			defer func() { inside = false }()
			go func() {
				owned <- r.c.ownNames(context.Background(), func() error {
					if inside {
						t.Error("names changed under a call that uses them")
					}
					return nil
				})
			}()
			synctest.Wait() // until it waits for us
			return r.c.Companions(func(bool) error { return nil })
		})
		if err != nil {
			t.Error(err)
		}
		if err := <-owned; err != nil {
			t.Error(err)
		}
	})
}

// What is written to a detached clone before it is closed is durable when Close has returned, as what
// is written to any other.
func TestCloseOfADetachedCloneSyncs(t *testing.T) {
	r, disk := crashRig(t, 10_000, quiet, keep)
	r.open()
	r.wait()
	if err := r.c.Detach(context.Background()); err != nil {
		t.Fatal(err)
	}
	r.write([]byte("written"), 100)
	if err := r.c.Close(); err != nil {
		t.Fatal(err)
	}
	if n := disk.Unsynced(); n != 0 {
		t.Errorf("%d operations may still be lost", n)
	}
}
