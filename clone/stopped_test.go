package clone

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"testing"
	"time"

	"hydrant/clone/state"
	"hydrant/source/sourcetest"
)

// deadline guards against hangs; nothing here takes that long.
const deadline = 30 * time.Second

// within runs f, which must return.
func within(t *testing.T, what string, f func(ctx context.Context) error) error {
	t.Helper()
	done := make(chan error, 1)
	ctx, cancel := context.WithTimeout(context.Background(), deadline)
	defer cancel()
	go func() { done <- f(ctx) }()
	select {
	case err := <-done:
		if ctx.Err() != nil {
			t.Errorf("%s: ended by the test's deadline only: %v", what, err)
		}
		return err
	case <-time.After(deadline):
		t.Fatalf("%s: hangs", what)
		return nil
	}
}

// A process that was stopped with a lock in its hands holds up nobody who does not need just that,
// and those who do get their bytes, or are told.
func TestStoppedProcessWithALock(t *testing.T) {
	const size, held = 4 << 20, 700 // held is the region that is claimed
	for _, lock := range []struct {
		role  string
		arg   int64
		sync  error // what Sync says
		put   error // what a write of the held region says
		names error // what asking for the names of companions says
	}{
		{role: "claim", arg: held, put: ErrBusy},
		{role: "lock", arg: state.LockLog, sync: ErrBusy},
		{role: "lock", arg: state.LockSuper},
		{role: "lock", arg: state.LockHydrator},
		{role: "lock", arg: state.LockUploader},
		{role: "lock", arg: state.LockNames, names: ErrBusy},
		{role: "names"},
	} {
		t.Run(fmt.Sprintf("%s %d", lock.role, lock.arg&0xff), func(t *testing.T) {
			s := newStage(t, size)
			// Who waits for what is held has to be told in time; whoever waits for this long has failed.
			opts := &Options{Keep: true, NoBackground: true, Knobs: Knobs{Timeout: knob(5 * time.Second)}}
			c := s.open(opts)
			brief := Knobs{Timeout: knob(time.Second)}
			// busy runs what, if it is to end with an error, waits for the lock until the timeout.
			busy := func(what string, want error, f func(ctx context.Context) error) {
				t.Helper()
				if want != nil {
					c.Tune(brief)
					defer c.Tune(opts.Knobs)
				}
				if err := within(t, what, f); !errors.Is(err, want) {
					t.Errorf("%s: %v, want %v", what, err, want)
				}
			}
			child := s.play(lock.role, strconv.FormatInt(lock.arg, 10))
			child.stopped()
			want := make([]byte, size)
			s.blob.blob.ReadAt(want, 0)
			expect := func(off, n int64) {
				t.Helper()
				p := make([]byte, n)
				err := within(t, "read", func(ctx context.Context) error {
					_, err := c.ReadAt(ctx, p, off)
					return err
				})
				if i := differ(p, want[off:off+n]); err != nil || i >= 0 {
					t.Errorf("read %d at %d: %v, differs at %d", n, off, err, i)
				}
			}
			put := func(what string, off int64, n int, fails error) {
				t.Helper()
				p := make([]byte, n)
				for i := range p {
					p[i] = byte(off) + byte(i)
				}
				busy("write of "+what, fails, func(ctx context.Context) error {
					_, err := c.WriteAt(ctx, p, off)
					if err == nil {
						copy(want[off:], p)
					}
					return err
				})
			}
			expect(0, 1000)       // local
			expect(1<<20, 200)    // cold
			expect(held*4096, 10) // cold, and perhaps claimed
			put("what is local", 50, 100, nil)
			put("what is cold", 2000*512, 4096, nil)
			put("the held region", held*4096+5, 10, lock.put)
			busy("sync", lock.sync, c.Sync)
			busy("names of companions", lock.names, func(context.Context) error {
				return c.Companions(func(bool) error { return nil })
			})
			// Another one comes.
			if lock.sync != nil {
				c.Tune(brief)
			}
			second := make(chan *Clone, 1)
			err := within(t, "open", func(ctx context.Context) error {
				d, err := OpenPath(ctx, nil, s.path, &Options{NoBackground: true, Keep: true})
				second <- d
				return err
			})
			c.Tune(opts.Knobs)
			if d := <-second; err != nil {
				if lock.sync == nil || !errors.Is(err, ErrBusy) {
					t.Errorf("open: %v", err)
				}
			} else {
				within(t, "close", func(context.Context) error { return d.Close() })
			}
			// Completing may have to wait; hydrating may not.
			if lock.role != "claim" {
				if err := within(t, "hydrate", func(ctx context.Context) error { return c.Hydrate(ctx, 0, size) }); err != nil {
					t.Errorf("hydrate: %v", err)
				}
			}
			expect(0, size)
			if lock.sync != nil {
				c.Tune(brief)
			}
			err = within(t, "close", func(context.Context) error { return c.Close() })
			if !errors.Is(err, lock.sync) {
				t.Errorf("close: %v, want %v", err, lock.sync)
			}
			child.kill()
			c = s.open(opts)
			expect(0, size)
			if err := within(t, "sync", c.Sync); err != nil {
				t.Errorf("when it is dead: %v", err)
			}
		})
	}
}

// A process that was stopped while it hydrates: readers get what they need.
func TestStoppedHydrator(t *testing.T) {
	const size = 8 << 20
	s := newStage(t, size)
	s.blob.slow = 5 * time.Millisecond
	opts := &Options{Keep: true, NoBackground: true, Knobs: Knobs{Connections: knob(4)}}
	c := s.open(opts)
	child := s.play("hydrate", "")
	for c.countLocal() < c.geo.count/8 {
		time.Sleep(time.Millisecond)
	}
	child.stop()
	p := make([]byte, size)
	err := within(t, "read", func(ctx context.Context) error {
		_, err := c.ReadAt(ctx, p, 0)
		return err
	})
	if err != nil {
		t.Error(err)
	}
	if err := s.blob.blob.Check(p, 0); err != nil {
		t.Error(err)
	}
	if err := within(t, "sync", c.Sync); err != nil {
		t.Error(err)
	}
}

// A process that was stopped while it attached, alone, keeps others from attaching, and they are
// told so.
func TestStoppedJudge(t *testing.T) {
	s := newStage(t, 1<<20)
	c := s.open(&Options{Keep: true, NoBackground: true})
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
	f, err := state.PathStore(s.path, 0o644).Open() // the lock's owner is a file, whoever has it
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if ok, err := f.TryLock(state.LockAttach, 1, true); !ok || err != nil {
		t.Fatal(ok, err)
	}
	err = within(t, "open", func(ctx context.Context) error {
		_, err := OpenPath(ctx, nil, s.path, &Options{Knobs: Knobs{Timeout: knob(300 * time.Millisecond)}})
		return err
	})
	if !errors.Is(err, ErrBusy) {
		t.Errorf("open: %v", err)
	}
	if st, err := Inspect(s.path); err != nil || st.State == "" {
		t.Errorf("status: %+v, %v", st, err)
	}
}

// A flight that waits for a claim in vain does not wait again for each of its pieces: those behind
// would be late for their readers.
func TestFlightWaitsForAClaimOnce(t *testing.T) {
	r := newRig(t, 1<<20, quiet, keep)
	r.opts.Knobs.Timeout = knob(deadline / 3)
	stopped, other := r.open(), r.open()
	if _, err := stopped.claims.acquire(context.Background(), span{1024, 1100}); err != nil {
		t.Fatal(err)
	}
	r.src.Plan(sourcetest.Always(sourcetest.Fault{Chunk: 512}))
	r.c = other
	p := make([]byte, 10)
	err := within(t, "read", func(ctx context.Context) error {
		_, err := other.ReadAt(ctx, p, 1090*512) // one second for each of 66 regions before it
		return err
	})
	if err != nil || differ(p, r.content[1090*512:][:10]) >= 0 {
		t.Errorf("%v", err)
	}
	kill(stopped)
	other.Close()
}
