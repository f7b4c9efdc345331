package clone

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"hydrant/source/sourcetest"
)

// all is a source of regions that are cold, but for those given.
func coldBut(local ...uint64) func(span, uint64) span {
	return func(s span, at uint64) span {
		for _, l := range local {
			switch {
			case l == at:
				return span{at, at}
			case s.contains(l) && l < at:
				s.lo = l + 1
			case s.contains(l):
				s.hi = l
			}
		}
		return s
	}
}

func TestFlightsDoNotOverlap(t *testing.T) {
	var f flights
	join := func(lo, hi, at uint64, fresh bool, want span) *flight {
		t.Helper()
		got, isFresh := f.join(span{lo, hi}, at, true, coldBut(50))
		if got == nil || isFresh != fresh || got.span != want {
			t.Fatalf("join [%d, %d) at %d: %+v, fresh %v; want %v, %v", lo, hi, at, got, isFresh, want, fresh)
		}
		return got
	}
	//   0        10        20        30        40        50
	a := join(10, 20, 15, true, span{10, 20})
	b := join(10, 20, 19, false, span{10, 20})
	if a != b {
		t.Error("another flight over the same regions")
	}
	join(5, 60, 7, true, span{5, 10})
	join(5, 60, 30, true, span{20, 50})
	join(5, 60, 55, true, span{51, 60})
	if got, _ := f.join(span{0, 60}, 50, true, coldBut(50)); got != nil {
		t.Errorf("a flight for a region that is local: %v", got.span)
	}
	if got := f.after(6); got != 50 {
		t.Errorf("after 6 the first that is not on its way is %d, want 50", got)
	}
	if got := f.after(0); got != 0 {
		t.Errorf("after 0 the first that is not on its way is %d, want 0", got)
	}
	f.remove(a)
	join(0, 60, 12, true, span{10, 20})
}

func TestOvertakersMeet(t *testing.T) {
	var f flights
	slow, _ := f.join(span{0, 100}, 0, false, coldBut())
	a, fresh := f.overtake(newFlight(span{40, 50}, true), 45, nil)
	if !fresh {
		t.Fatal("the first one is not")
	}
	if b, fresh := f.overtake(newFlight(span{44, 54}, true), 46, nil); fresh || b != a {
		t.Error("the second does not join the first")
	}
	if b, _ := f.join(span{0, 100}, 45, true, coldBut()); b != a {
		t.Error("who comes later joins the slow one")
	}
	f.remove(a)
	if b, _ := f.join(span{0, 100}, 45, true, coldBut()); b != slow {
		t.Error("the slow one is lost")
	}
}

// gated is a rig whose source holds the request for the byte at off after so many bytes of it.
func gated(t *testing.T, size, off, after int64, change ...func(*Options)) (r *rig, open func()) {
	r = newRig(t, size, append(change, quiet, keep)...)
	gate := make(chan struct{})
	r.src.Plan(sourcetest.Covering(off, sourcetest.Fault{Gate: gate, After: after}))
	r.open()
	return r, func() { close(gate) }
}

// Whoever wants the front of a range that is being fetched has it when it has come, and not when
// all has.
func TestReaderIsReleasedByThePrefix(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, open := gated(t, 4<<20, 2<<20+20_000, 20_000)
		rest := make(chan []byte, 1)
		go func() { rest <- r.read(2<<20, 60_000) }() // one request; the gate is in its middle
		synctest.Wait()
		if got := r.read(2<<20+512, 1000); differ(got, r.content[2<<20+512:][:1000]) >= 0 {
			t.Error("wrong bytes")
		}
		select {
		case <-rest:
			t.Fatal("the gate was no gate")
		default:
		}
		if n := len(r.src.Ranges()); n != 1 {
			t.Errorf("%d requests", n)
		}
		open()
		if got := <-rest; differ(got, r.content[2<<20:][:60_000]) >= 0 {
			t.Error("wrong bytes")
		}
		r.c.Close()
	})
}

// A fetch belongs to the clone: when the one who asked first gives up, the others still get it.
func TestFetchOutlivesItsFirstReader(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, open := gated(t, 4<<20, 2<<20, 0)
		ctx, cancel := context.WithCancel(context.Background())
		first := make(chan error, 1)
		go func() {
			_, err := r.c.ReadAt(ctx, make([]byte, 100), 2<<20)
			first <- err
		}()
		synctest.Wait()
		second := make(chan []byte, 1)
		go func() { second <- r.read(2<<20+5000, 100) }()
		synctest.Wait()
		cancel()
		if err := <-first; !errors.Is(err, context.Canceled) {
			t.Errorf("first: %v", err)
		}
		time.Sleep(time.Second)
		open()
		if got := <-second; differ(got, r.content[2<<20+5000:][:100]) >= 0 {
			t.Error("wrong bytes")
		}
		// and so does one who comes late, without another request
		if got := r.read(2<<20+10_000, 100); differ(got, r.content[2<<20+10_000:][:100]) >= 0 {
			t.Error("wrong bytes")
		}
		if n := len(r.src.Ranges()); n != 1 {
			t.Errorf("%d requests", n)
		}
		r.c.Close()
	})
}

// A deadline is each waiter's own.
func TestReaderEndsWithItsOwnContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, open := gated(t, 4<<20, 2<<20, 0)
		for _, d := range []time.Duration{time.Second, 2 * time.Second} {
			ctx, cancel := context.WithTimeout(context.Background(), d)
			begin := time.Now()
			if _, err := r.c.ReadAt(ctx, make([]byte, 100), 2<<20); !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("got %v", err)
			}
			if took := time.Since(begin); took != d {
				t.Errorf("ended after %v, want %v", took, d)
			}
			cancel()
		}
		open()
		r.c.Close()
	})
}

// Sixteen megabytes on their way hold nobody up who does not want them, and the writer of a whole
// region that is among them does not want them.
func TestRangeInFlightHoldsNobodyUp(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, 16<<20, keep)
		gate := make(chan struct{})
		r.src.Plan(func(q sourcetest.Request) sourcetest.Fault {
			if q.Len > 1<<20 {
				return sourcetest.Fault{Gate: gate, After: 1 << 20}
			}
			return sourcetest.Fault{}
		})
		r.open()
		synctest.Wait()
		time.Sleep(time.Second)
		if now, _ := r.src.InFlight(); now == 0 {
			t.Fatal("nothing is in flight")
		}
		begin := time.Now()
		want := append([]byte(nil), r.content...)
		whole := make([]byte, 512*100)
		for i := range whole {
			whole[i] = 'w'
		}
		for off := int64(1 << 20); off < 15<<20; off += 3 << 20 {
			r.write(whole, off)
			copy(want[off:], whole)
			if got := r.read(off, int64(len(whole))); differ(got, whole) >= 0 {
				t.Error("what was written is not read")
			}
		}
		if err := r.c.Discard(context.Background(), 5<<20, 1<<20); err != nil {
			t.Error(err)
		}
		clear(want[5<<20 : 6<<20])
		if err := r.c.Sync(context.Background()); err != nil {
			t.Error(err)
		}
		// a partial write waits for its own bytes, and asks for them by itself
		r.write([]byte("part"), 10<<20+100)
		copy(want[10<<20+100:], "part")
		if d := time.Since(begin); d > time.Second {
			t.Errorf("all this took %v while ranges were in flight", d)
		}
		if now, _ := r.src.InFlight(); now == 0 {
			t.Error("nothing is in flight any more: the test shows nothing")
		}
		close(gate)
		r.wait()
		r.expect(want) // I9: what was written stands, and what was in flight came too late for it
		r.c.Close()
		if differ(r.image(), want) >= 0 {
			t.Error("dest differs")
		}
	})
}

func TestReadsTimeOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, after := range []int64{0, 1000} {
			r := newRig(t, 4<<20, quiet, keep)
			limit := 7 * time.Second
			r.opts.Knobs.Timeout = &limit
			r.open()
			r.src.Plan(sourcetest.Always(sourcetest.Fault{Stall: true, After: after}))
			ctx := context.Background()
			for name, call := range map[string]func() error{
				"read":    func() error { _, err := r.c.ReadAt(ctx, make([]byte, 100_000), 1<<20); return err },
				"write":   func() error { _, err := r.c.WriteAt(ctx, []byte("x"), 2<<20+50_000); return err },
				"hydrate": func() error { return r.c.Hydrate(ctx, 3<<20+50_000, 100) },
				"cut":     func() error { return r.c.Truncate(ctx, 4<<20-100) },
			} {
				begin := time.Now()
				if err := call(); !errors.Is(err, ErrTimeout) {
					t.Errorf("%s, source silent after %d bytes: %v", name, after, err)
				}
				// what comes before the silence may begin the wait anew
				if d := time.Since(begin); d < limit || d > 2*limit {
					t.Errorf("%s, source silent after %d bytes: ended after %v, want %v", name, after, d, limit)
				}
			}
			time.Sleep(time.Minute)
			if now, _ := r.src.InFlight(); now != 0 {
				t.Errorf("%d requests are still in flight", now)
			}
			r.src.Plan(nil)
			r.expect(r.content)
			r.c.Close()
		}
	})
}

// A connection that is slow is not silent.
func TestSlowIsNotSilent(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, 1<<20, keep)
		r.src.Plan(func(q sourcetest.Request) sourcetest.Fault {
			if q.Identify {
				return sourcetest.Fault{}
			}
			return sourcetest.Fault{Chunk: 1 << 10, Pause: time.Second}
		})
		r.open()
		ctx, cancel := context.WithTimeout(context.Background(), time.Hour)
		defer cancel()
		if err := r.c.Wait(ctx); err != nil {
			t.Fatal(err)
		}
		r.expect(r.content)
		if n := r.src.Twice(); n > 0 {
			t.Errorf("%d bytes fetched twice", n)
		}
		r.c.Close()
	})
}

// So is it for a reader who was there before.
func TestWaiterIsReleasedByThePrefix(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, 1<<20, quiet, keep)
		r.open()
		r.src.Plan(sourcetest.Always(sourcetest.Fault{Latency: time.Second, Chunk: 512, Pause: time.Second}))
		begin := time.Now()
		for i := range time.Duration(3) {
			r.read(512<<10+int64(i)*512, 512)
			if d := time.Since(begin); d > (i+2)*time.Second {
				t.Errorf("region %d came after %v", i, d)
			}
		}
		if now, _ := r.src.InFlight(); now == 0 {
			t.Error("all has come: the test shows nothing")
		}
		r.c.Close()
	})
}

func TestSequentialReaderAsksForMoreAtOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, 32<<20, quiet, keep)
		r.open()
		r.src.Plan(sourcetest.Always(sourcetest.Fault{Latency: time.Millisecond, Chunk: 8 << 10, Pause: time.Millisecond}))
		for off := int64(0); off < 32<<20; off += 4096 {
			r.read(off, 4096)
		}
		if n := len(r.src.Ranges()); n > 16 {
			t.Errorf("%d requests for 32 MiB in order", n)
		}
		if n := r.src.Twice(); n != 0 {
			t.Errorf("%d bytes fetched twice", n)
		}
		r.c.Close()
	})
}
