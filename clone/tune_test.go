package clone

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"hydrant/source/sourcetest"
)

func knob[T any](v T) *T { return &v }

func TestKnobsAreChecked(t *testing.T) {
	r := newRig(t, 100_000, quiet)
	r.open()
	for name, k := range map[string]Knobs{
		"bandwidth below 0":   {Bandwidth: knob(int64(-1))},
		"connections below 0": {Connections: knob(-1)},
		"many connections":    {Connections: knob(257)},
		"small batch":         {Batch: knob(int64(64<<10 - 1))},
		"large batch":         {Batch: knob(int64(64<<20 + 1))},
		"no timeout":          {Timeout: knob(time.Duration(0))},
		"long timeout":        {Timeout: knob(25 * time.Hour)},
	} {
		if err := r.c.Tune(k); !errors.Is(err, ErrUsage) {
			t.Errorf("%s: %v", name, err)
		}
	}
	all := Knobs{knob(true), knob(int64(1 << 20)), knob(7), knob(int64(128 << 10)), knob(time.Minute)}
	if err := r.c.Tune(all); err != nil {
		t.Fatal(err)
	}
	if err := r.c.Tune(Knobs{}); err != nil {
		t.Fatal(err)
	}
	s := r.c.Status()
	if !s.Hydration || s.Bandwidth != 1<<20 || s.Connections != 7 || s.Batch != 128<<10 || s.Timeout != time.Minute {
		t.Errorf("%+v", s)
	}
}

// The background keeps to its bandwidth on average, whatever the number of connections, and
// readers are not held to it.
func TestBandwidthIsKept(t *testing.T) {
	for _, connections := range []int{0, 1, 32} {
		synctest.Test(t, func(t *testing.T) {
			r := newRig(t, 4<<20, keep)
			r.opts.Knobs = Knobs{Bandwidth: knob(int64(100 << 10)), Connections: &connections, Batch: knob(int64(64 << 10))}
			r.open()
			time.Sleep(20 * time.Second)
			got := r.src.Delivered() / 20
			if got < 80<<10 || got > 112<<10 {
				t.Errorf("%d connections: %d bytes per second, want %d", connections, got, 100<<10)
			}
			begin := time.Now()
			r.read(3<<20, 300_000)
			if d := time.Since(begin); d > time.Second {
				t.Errorf("%d connections: a reader waited %v", connections, d)
			}
			r.c.Tune(Knobs{Bandwidth: knob(int64(0))})
			begin = time.Now()
			r.wait()
			if d := time.Since(begin); d > 5*time.Second {
				t.Errorf("%d connections: took %v after the cap was lifted", connections, d)
			}
			r.expect(r.content)
			r.c.Close()
		})
	}
}

func TestHydrationIsSwitchedOffAndOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, 16<<20, keep)
		r.opts.Knobs = Knobs{Bandwidth: knob(int64(1 << 20)), Batch: knob(int64(256 << 10)), Connections: knob(2)}
		r.open()
		time.Sleep(3 * time.Second)
		r.c.Tune(Knobs{Hydration: knob(false)})
		time.Sleep(3 * time.Second) // what is in flight comes down
		before := r.src.Delivered()
		if before == 0 {
			t.Error("nothing was hydrated before")
		}
		time.Sleep(time.Hour)
		if got := r.src.Delivered() - before; got != 0 {
			t.Errorf("%d bytes fetched while switched off", got)
		}
		r.expectStatus(StatePaused, "rw", "")
		if err := r.c.Wait(context.Background()); !errors.Is(err, ErrPaused) {
			t.Errorf("wait: %v", err)
		}
		r.read(10<<20, 1000) // reads go on
		r.c.Tune(Knobs{Hydration: knob(true), Bandwidth: knob(int64(0))})
		r.wait()
		r.expect(r.content)
		r.c.Close()
	})
}

func TestConnectionsAndBatchAreKept(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, 8<<20, keep)
		r.src.Plan(sourcetest.Always(sourcetest.Fault{Latency: 100 * time.Millisecond}))
		r.opts.Knobs = Knobs{Connections: knob(3), Batch: knob(int64(64 << 10))}
		r.open()
		time.Sleep(time.Second)
		for _, q := range r.src.Ranges() {
			if q.Len > 64<<10 {
				t.Errorf("asked for %d bytes at once", q.Len)
			}
		}
		if _, most := r.src.InFlight(); most != 3 {
			t.Errorf("%d requests at once, want 3", most)
		}
		r.src.Forget()
		r.c.Tune(Knobs{Connections: knob(9), Batch: knob(int64(128 << 10))})
		time.Sleep(500 * time.Millisecond)
		if _, most := r.src.InFlight(); most != 9 {
			t.Errorf("%d requests at once, want 9", most)
		}
		largest := int64(0)
		for _, q := range r.src.Ranges() {
			largest = max(largest, q.Len)
		}
		if largest != 128<<10 {
			t.Errorf("asked for %d bytes at once, want %d", largest, 128<<10)
		}
		r.wait()
		r.expect(r.content)
		r.c.Close()
	})
}

// However many readers there are, and however they press, the background goes on.
func TestBackgroundNeverStarves(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, 16<<20, keep)
		r.src.Plan(func(q sourcetest.Request) sourcetest.Fault {
			if q.Off >= 8<<20 { // what readers ask for takes long
				return sourcetest.Fault{Latency: 2 * time.Second}
			}
			return sourcetest.Fault{Latency: 20 * time.Millisecond}
		})
		r.opts.Knobs.Batch = knob(int64(64 << 10))
		r.open()
		ctx, cancel := context.WithCancel(context.Background())
		var readers sync.WaitGroup
		for i := range int64(8) {
			readers.Go(func() {
				p := make([]byte, 512)
				for off := int64(8<<20) + i*70_000; ctx.Err() == nil; off += 600_000 {
					if off >= 16<<20 {
						off -= 8 << 20
					}
					r.c.ReadAt(ctx, p, off)
					time.Sleep(time.Millisecond)
				}
			})
		}
		// eight megabytes, one range at a time
		patient, stop := context.WithTimeout(context.Background(), 10*time.Minute)
		defer stop()
		if err := r.c.Wait(patient); err != nil {
			t.Errorf("wait: %v; %+v", err, r.c.Status())
		}
		cancel()
		readers.Wait()
		r.expect(r.content)
		r.c.Close()
	})
}

// The timeout that holds is the one in force when the wait begins.
func TestTimeoutCanBeChanged(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, 4<<20, quiet, keep)
		r.open()
		r.src.Plan(sourcetest.Always(sourcetest.Fault{Stall: true}))
		for _, limit := range []time.Duration{time.Second, 3 * time.Second} {
			r.c.Tune(Knobs{Timeout: &limit})
			begin := time.Now()
			_, err := r.c.ReadAt(context.Background(), make([]byte, 10), 2<<20)
			if d := time.Since(begin); !errors.Is(err, ErrTimeout) || d != limit {
				t.Errorf("ended after %v with %v, want %v", d, err, limit)
			}
			time.Sleep(time.Minute)
		}
		r.c.Close()
	})
}
