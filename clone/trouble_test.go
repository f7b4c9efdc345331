package clone

import (
	"bytes"
	"context"
	"errors"
	"slices"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"hydrant/dest"
	"hydrant/internal/faultio"
	"hydrant/internal/pattern"
	"hydrant/source"
	"hydrant/source/sourcetest"
)

// log keeps the events of a clone.
type eventLog struct {
	mu    sync.Mutex
	kinds []EventKind
}

func (l *eventLog) add(e Event) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.kinds = append(l.kinds, e.Kind)
}

func (l *eventLog) all() []EventKind {
	l.mu.Lock()
	defer l.mu.Unlock()
	return slices.Clone(l.kinds)
}

func (l *eventLog) has(k EventKind) int {
	n := 0
	for _, o := range l.all() {
		if o == k {
			n++
		}
	}
	return n
}

func (r *rig) expectStatus(state, mode, says string) {
	r.t.Helper()
	s := r.c.Status()
	if s.State != state || s.Mode != mode || (says == "") != (s.Error == "") || !bytes.Contains([]byte(s.Error), []byte(says)) {
		r.t.Errorf("status is %s, %s, %q; want %s, %s, %q", s.State, s.Mode, s.Error, state, mode, says)
	}
}

// While dest takes no bytes of the source, for whatever reason, hydration waits and asks for little;
// cold reads are answered; and it goes on by itself when dest does.
func TestHydrationWaitsForDest(t *testing.T) {
	for _, tt := range []struct {
		err   error
		short bool
		state string
		waits error
		event EventKind
	}{
		{syscall.ENOSPC, false, StatePaused, ErrPaused, DiskFull},
		{syscall.ENOSPC, true, StatePaused, ErrPaused, DiskFull},
		{syscall.EDQUOT, false, StatePaused, ErrPaused, DiskFull},
		{syscall.EIO, false, StateStalled, ErrStalled, Stall},
	} {
		synctest.Test(t, func(t *testing.T) {
			var log eventLog
			r := newRig(t, 4<<20, keep)
			r.opts.OnEvent = log.add
			off := false
			r.opts.Knobs.Hydration = &off
			faults, _ := faulty(r)
			r.open()
			faults.Inject(faultio.Fault{Op: faultio.Write, K: 1, Err: tt.err, Short: tt.short, Sticky: true})
			on, small := true, int64(64<<10)
			r.c.Tune(Knobs{Hydration: &on, Batch: &small})
			time.Sleep(time.Minute)

			r.expectStatus(tt.state, "rw", tt.err.Error())
			if err := r.c.Wait(context.Background()); !errors.Is(err, tt.waits) || !errors.Is(err, tt.err) {
				t.Errorf("wait: %v", err)
			}
			if n := log.has(tt.event); n != 1 || len(log.all()) != 1 {
				t.Errorf("events %v", log.all())
			}
			// In that minute: what was in flight, and a try from time to time.
			if n := r.src.Requests(); n > firstConnections+10 {
				t.Errorf("%d requests", n)
			}
			before := r.src.Requests()
			r.expect(r.content)
			if n := r.src.Requests() - before; n > 4 {
				t.Errorf("%d requests for one read of all", n)
			}
			// what is cold can't be written to in part, and the reason is given
			if _, err := r.c.WriteAt(context.Background(), []byte("x"), 3<<20); !errors.Is(err, tt.err) {
				t.Errorf("partial write of a cold region: %v", err)
			}
			r.expectStatus(tt.state, "rw", tt.err.Error())

			faults.Inject()
			time.Sleep(time.Minute)
			r.expectStatus(StateComplete, "rw", "")
			r.expect(r.content)
			if n := log.has(Resumed); n != 1 {
				t.Errorf("events %v", log.all())
			}
			if differ(r.image(), r.content) >= 0 {
				t.Error("dest differs")
			}
			r.c.Close()
		})
	}
}

// What the background fetches and dest does not take is let go of, and not held in memory for
// nobody; a reader who has joined gets what he wants all the same.
func TestBackgroundLetsGoOfWhatIsNotKept(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, 32<<20, keep)
		off := false
		r.opts.Knobs.Hydration = &off
		faults, _ := faulty(r)
		r.open()
		faults.Inject(faultio.Fault{Op: faultio.Write, K: 1, Err: syscall.ENOSPC, Sticky: true})
		r.src.Plan(sourcetest.Always(sourcetest.Fault{Latency: time.Second}))
		on := true
		r.c.Tune(Knobs{Hydration: &on})
		time.Sleep(time.Second / 2)
		if got := r.read(20<<20, 100_000); differ(got, r.content[20<<20:][:100_000]) >= 0 {
			t.Error("wrong bytes")
		}
		time.Sleep(10 * time.Second)
		if n := r.src.Delivered(); n > 6<<20 {
			t.Errorf("%d bytes were fetched for nothing", n)
		}
		r.c.Close()
	})
}

// A process that hydrates nothing by itself tries dest again too.
func TestReadersTryDestAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, 1<<20, quiet, keep)
		faults, _ := faulty(r)
		r.open()
		faults.Inject(faultio.Fault{Op: faultio.Write, K: 1, Err: syscall.ENOSPC, Sticky: true})
		r.read(500_000, 1000)
		r.expectStatus(StatePaused, "rw", "no space")
		faults.Inject()
		time.Sleep(time.Minute)
		r.read(600_000, 1000)
		r.expectStatus(StatePaused, "rw", "") // for it is switched off
		r.write([]byte("x"), 700_000)
		r.c.Close()
	})
}

// little is a dest on a disk with little room, which the background leaves alone and users do not.
type little struct {
	dest.Dest
	free *atomic.Int64
}

func (l little) Space() (free, total int64, err error) { return l.free.Load(), 1 << 30, nil }

type littleTarget struct {
	dest.Target
	free atomic.Int64
}

func (l *littleTarget) Open() (dest.Dest, error) {
	d, err := l.Target.Open()
	return little{d, &l.free}, err
}

func TestSpareRoomIsLeftToTheUser(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log eventLog
		r := newRig(t, 1<<20, keep)
		r.opts.OnEvent = log.add
		target := &littleTarget{Target: r.dst}
		target.free.Store(10 << 20)
		r.dst = target
		r.open()
		time.Sleep(time.Minute)
		r.expectStatus(StatePaused, "rw", "10 MiB free")
		if err := r.c.Wait(context.Background()); !errors.Is(err, ErrPaused) {
			t.Errorf("wait: %v", err)
		}
		want := bytes.Clone(r.content)
		r.write([]byte("a part of a cold region"), 500_000)
		copy(want[500_000:], "a part of a cold region")
		r.read(700_000, 100)
		if s := r.c.Status(); s.RegionsHydrated <= headBytes>>9 {
			t.Error("what was read is not kept")
		}
		r.expectStatus(StatePaused, "rw", "10 MiB free")
		target.free.Store(spareBytes + 2<<20) // room enough for what is left
		time.Sleep(time.Minute)
		r.expectStatus(StateComplete, "rw", "")
		r.expect(want)
		if n := log.has(DiskFull); n != 1 {
			t.Errorf("events %v", log.all())
		}
		r.c.Close()
	})
}

// Switching hydration on does not make a clone look busy that waits for room.
func TestTuningDoesNotHideTrouble(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, 1<<20, keep)
		r.dst = &littleTarget{Target: r.dst}
		r.open()
		time.Sleep(time.Second)
		on := true
		r.c.Tune(Knobs{Hydration: &on})
		time.Sleep(time.Second)
		r.expectStatus(StatePaused, "rw", "0 MiB free")
		r.c.Close()
	})
}

// The source fails for good: cold reads fail at once and ask it nothing, what is local goes on, and
// when the object is back so is all else.
func TestStallEndsWhenTheObjectIsBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log eventLog
		r := newRig(t, 1<<20, keep)
		off := false
		r.opts.Knobs.Hydration = &off
		r.opts.OnEvent = log.add
		r.open()
		ctx := context.Background()
		r.read(300_000, 1000)
		denied := source.WithKind(source.ErrDenied, source.Final)
		r.src.Plan(sourcetest.Always(sourcetest.Fault{Err: denied}))
		on := true
		r.c.Tune(Knobs{Hydration: &on})
		time.Sleep(time.Second / 2)
		r.expectStatus(StateStalled, "rw", "denied")

		begin, asked := time.Now(), r.src.Requests()
		for range 100 {
			if _, err := r.c.ReadAt(ctx, make([]byte, 10), 500_000); !errors.Is(err, ErrStalled) || !errors.Is(err, source.ErrDenied) {
				t.Fatalf("cold read: %v", err)
			}
			if _, err := r.c.WriteAt(ctx, make([]byte, 10), 500_000); !errors.Is(err, ErrStalled) {
				t.Fatalf("partial write of a cold region: %v", err)
			}
		}
		synctest.Wait()
		if d, n := time.Since(begin), r.src.Requests()-asked; d != 0 || n != 0 {
			t.Errorf("cold reads of a stalled clone took %v and %d requests", d, n)
		}
		if got := r.read(300_000, 1000); differ(got, r.content[300_000:301_000]) >= 0 {
			t.Error("a local read is wrong")
		}
		want := bytes.Clone(r.content)
		whole := bytes.Repeat([]byte("w"), 1024)
		r.write(whole, 600<<10)
		copy(want[600<<10:], whole)
		if err := r.c.Sync(ctx); err != nil {
			t.Error(err)
		}
		if err := r.c.Wait(ctx); !errors.Is(err, ErrStalled) {
			t.Errorf("wait: %v", err)
		}

		asked = r.src.Requests()
		time.Sleep(10 * time.Minute)
		if n := r.src.Requests() - asked; n < 15 || n > 40 {
			t.Errorf("%d probes in ten minutes", n)
		}
		r.src.Plan(nil)
		time.Sleep(time.Minute)
		r.expectStatus(StateComplete, "rw", "")
		r.expect(want)
		time.Sleep(time.Second)
		if got, want := log.all(), []EventKind{Stall, Resumed, Completed}; !slices.Equal(got, want) {
			t.Errorf("events %v, want %v", got, want)
		}
		r.c.Close()
	})
}

// What a change brings about at once, elsewhere, is told of after the change.
func TestEventsComeInOrder(t *testing.T) {
	var log eventLog
	r := newRig(t, 1<<20, quiet)
	r.opts.OnEvent = log.add
	c := r.open()
	told := make(chan struct{})
	c.changeAndTell(func(*trouble) bool {
		go func() {
			defer close(told)
			c.emit(Completed, nil)
		}()
		time.Sleep(10 * time.Millisecond)
		return true
	}, Resumed, nil)
	<-told
	if c.changeAndTell(func(*trouble) bool { return false }, Stall, nil) {
		t.Error("what did not change was told of")
	}
	c.Close()
	if got, want := log.all(), []EventKind{Resumed, Completed}; !slices.Equal(got, want) {
		t.Errorf("events %v, want %v", got, want)
	}
}

// One part of the source cannot be read: probes of another part that can do not count, and the
// source is not asked again and again.
func TestStallOfOnePartIsProbedThere(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var log eventLog
		r := newRig(t, 4<<20, keep)
		r.opts.OnEvent = log.add
		small := int64(64 << 10)
		r.opts.Knobs.Batch = &small
		var bad atomic.Bool
		bad.Store(true)
		r.src.Plan(func(q sourcetest.Request) sourcetest.Fault {
			if !q.Identify && bad.Load() && q.Off <= 3<<20 && 3<<20 < q.Off+q.Len {
				return sourcetest.Fault{Err: source.BadAnswer("a checksum"), After: max(3<<20-q.Off-100, 1)}
			}
			return sourcetest.Fault{}
		})
		r.open()
		time.Sleep(10 * time.Minute)
		r.expectStatus(StateStalled, "rw", "checksum")
		if n := r.src.Requests(); n > 64+100 {
			t.Errorf("%d requests", n)
		}
		if n := log.has(Stall); n > 30 {
			t.Errorf("stalled %d times over", n)
		}
		bad.Store(false)
		time.Sleep(time.Minute)
		r.expectStatus(StateComplete, "rw", "")
		r.c.Close()
	})
}

// A source that has changed stays changed: no byte of the other version is taken (I10).
func TestChangedSourceIsNeverMixedIn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, 4<<20, keep)
		small, one := int64(64<<10), 1
		r.opts.Knobs.Batch, r.opts.Knobs.Connections = &small, &one
		release := make(chan struct{})
		r.src.Plan(sourcetest.Covering(2<<20, sourcetest.Fault{Gate: release}))
		r.open()
		time.Sleep(time.Second)
		other := pattern.Blob{Seed: 1234}.Bytes(4 << 20)
		r.src.Replace(other)
		close(release)
		time.Sleep(time.Minute)
		r.expectStatus(StateStalled, "rw", "changed")
		local := 0
		for r2 := range r.c.geo.count {
			if r.c.local(r2) {
				local++
				off, n := r.c.geo.bytes(span{r2, r2 + 1})
				if differ(r.read(off, n), r.content[off:off+n]) >= 0 {
					t.Fatalf("region %d is not of the pinned version", r2)
				}
			}
		}
		if local == 0 || local == int(r.c.geo.count) {
			t.Errorf("%d regions local: the test shows nothing", local)
		}
		r.c.Close()
		r.open() // stalls again as soon as it is asked for cold bytes
		if _, err := r.c.ReadAt(context.Background(), make([]byte, 10), 4<<20-10); !errors.Is(err, source.ErrChanged) {
			t.Errorf("cold read after reopening: %v", err)
		}
		r.c.Close()
	})
}

// Errors that pass are shown while they last, slow the background down together and not each for
// itself, and are gone afterwards.
func TestPassingErrorsPass(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, 4<<20, keep)
		small := int64(64 << 10)
		r.opts.Knobs.Batch = &small
		var down atomic.Bool
		down.Store(true)
		r.src.Plan(func(q sourcetest.Request) sourcetest.Fault {
			if down.Load() && !q.Identify {
				return sourcetest.Fault{Err: sourcetest.Reset()}
			}
			return sourcetest.Fault{}
		})
		r.open()
		time.Sleep(25 * time.Second) // one round of tries, for all that are in flight
		r.expectStatus(StateHydrating, "rw", "reset")
		down.Store(false)
		begin := time.Now()
		r.wait()
		if d := time.Since(begin); d > 10*time.Second {
			t.Errorf("went on %v after the source did", d)
		}
		r.expectStatus(StateComplete, "rw", "")
		r.c.Close()
	})
}

// In mode ro the reason for that is what status shows, whatever happens afterwards.
func TestReadOnlyKeepsItsReason(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, 1<<20, quiet, keep)
		faults, _ := faulty(r)
		r.open()
		r.write([]byte("x"), 100)
		faults.Inject(faultio.Fault{Op: faultio.Sync, K: 1})
		if err := r.c.Sync(context.Background()); !errors.Is(err, ErrReadOnly) {
			t.Fatalf("sync: %v", err)
		}
		r.src.Plan(sourcetest.Always(sourcetest.Fault{Err: sourcetest.Reset()}))
		if _, err := r.c.ReadAt(context.Background(), make([]byte, 10), 500_000); err == nil {
			t.Error("cold read of a broken source succeeded")
		}
		r.expectStatus(StatePaused, "ro", "sync")
		if _, err := r.c.WriteAt(context.Background(), []byte("x"), 0); !errors.Is(err, ErrReadOnly) || bytes.Contains([]byte(err.Error()), []byte("reset")) {
			t.Errorf("write: %v", err)
		}
		r.c.Close()
	})
}

// What the process that hydrates says of the clone ends a Wait in another.
func TestWaitSeesTroubleOfOthers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, 4<<20, keep)
		off, on := false, true
		r.opts.Knobs.Hydration = &off
		first := r.open()
		r.opts.NoBackground = true
		other := r.open()
		r.src.Remove()
		first.Tune(Knobs{Hydration: &on})
		ctx, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		if err := other.Wait(ctx); !errors.Is(err, ErrStalled) {
			t.Errorf("wait: %v", err)
		}
		first.Close()
		other.Close()
	})
}

// With a source that fails for good in the middle, what is local goes on.
func TestStalledServesWhatIsLocal(t *testing.T) {
	r := newRig(t, 1<<20, quiet)
	r.open()
	r.read(0, 1000)
	r.src.Replace(pattern.Blob{Seed: 8}.Bytes(1 << 20))
	_, err := r.c.ReadAt(context.Background(), make([]byte, 100), 600<<10)
	if !errors.Is(err, source.ErrChanged) || !errors.Is(err, ErrStalled) {
		t.Fatalf("cold read of a changed source: %v", err)
	}
	if got := r.read(0, 1000); differ(got, r.content[:1000]) >= 0 {
		t.Fatal("local bytes changed")
	}
	r.write(bytes.Repeat([]byte("x"), 512), 700<<10&^511)
	if err := r.c.Wait(context.Background()); !errors.Is(err, ErrStalled) {
		t.Fatalf("wait: %v", err)
	}
	if s := r.c.Status(); s.State != StateStalled || s.Error == "" {
		t.Fatalf("status: %+v", s)
	}
}
