package limit

import (
	"context"
	"errors"
	"io"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"hydrant/internal/pattern"
	"hydrant/source"
	"hydrant/source/sourcetest"
)

func TestSuite(t *testing.T) {
	for name, l := range map[string]*Limiter{"Unlimited": NewLimiter(0, 0), "Limited": NewLimiter(64<<20, 3)} {
		t.Run(name, func(t *testing.T) {
			sourcetest.Run(t, func(t *testing.T, content []byte) sourcetest.Place {
				f := sourcetest.NewFake(content)
				return sourcetest.Place{Source: New(f, l), Replace: f.Replace, Remove: f.Remove}
			})
			if _, running := l.Connections(); running != 0 {
				t.Errorf("%d places are still taken", running)
			}
		})
	}
}

const second = int64(1 << 20) // bytes, where the bandwidth is 1 MiB/s

// readAll reads n bytes in each of so many readers at once.
func readAll(t *testing.T, s source.Source, id source.Identity, readers int, n int64) {
	var wg sync.WaitGroup
	for range readers {
		wg.Go(func() {
			if err := source.ReadAll(t.Context(), s, id, make([]byte, n), 0); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
}

func TestBandwidth(t *testing.T) {
	for _, readers := range []int{1, 10} {
		synctest.Test(t, func(t *testing.T) {
			f := sourcetest.NewVirtual(pattern.Blob{}, 100*second)
			s := New(f, NewLimiter(second, 0))
			begin := time.Now()
			readAll(t, s, f.Identity(), readers, 60*second/int64(readers))
			if took := time.Since(begin); took < 59*time.Second || took > 60*time.Second {
				t.Errorf("%d readers: a minute's bytes took %v", readers, took)
			}
		})
	}
}

func TestBandwidthOfIdentify(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := sourcetest.NewVirtual(pattern.Blob{}, 100*second)
		begin := time.Now()
		if _, _, err := New(f, NewLimiter(second, 0)).Identify(t.Context(), 10*second); err != nil {
			t.Fatal(err)
		}
		if took := time.Since(begin); took < 9*time.Second || took > 10*time.Second {
			t.Errorf("took %v", took)
		}
	})
}

// A new bandwidth counts at once, for those who wait as well.
func TestSetBandwidth(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := sourcetest.NewVirtual(pattern.Blob{}, 40*second)
		l := NewLimiter(100, 0) // would take many days
		s := New(f, l)
		begin := time.Now()
		go func() {
			time.Sleep(10 * time.Second)
			l.SetBandwidth(second)
			time.Sleep(10 * time.Second)
			l.SetBandwidth(0)
		}()
		readAll(t, s, f.Identity(), 1, 40*second)
		if took := time.Since(begin); took < 20*time.Second || took > 30*time.Second {
			t.Errorf("took %v", took)
		}
		if l.Bandwidth() != 0 {
			t.Errorf("bandwidth is %d", l.Bandwidth())
		}
	})
}

func TestConnections(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := sourcetest.NewFake(make([]byte, 1000))
		f.Plan(sourcetest.Always(sourcetest.Fault{Latency: time.Second}))
		l := NewLimiter(0, 3)
		s := New(f, l)
		begin := time.Now()
		readAll(t, s, f.Identity(), 12, 1000)
		if _, most := f.InFlight(); most != 3 || time.Since(begin) != 4*time.Second {
			t.Errorf("at most %d at once, %v for 12", most, time.Since(begin))
		}
	})
}

func TestSetConnections(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := sourcetest.NewFake(make([]byte, 1000))
		gate := make(chan struct{})
		f.Plan(sourcetest.Always(sourcetest.Fault{Gate: gate}))
		l := NewLimiter(0, 1)
		s := New(f, l)
		var wg sync.WaitGroup
		wg.Go(func() { readAll(t, s, f.Identity(), 10, 1000) })
		for _, step := range []struct{ set, running int }{{1, 1}, {4, 4}, {2, 4}, {6, 6}, {0, 10}} {
			l.SetConnections(step.set)
			synctest.Wait()
			limit, running := l.Connections()
			if now, _ := f.InFlight(); limit != step.set || running != step.running || now != running {
				t.Errorf("with %d: %d hold a place, %d run; want %d", limit, running, now, step.running)
			}
		}
		close(gate)
		wg.Wait()
	})
}

func TestWaitEndsWithCtx(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := sourcetest.NewFake(make([]byte, 1<<20))
		l := NewLimiter(1000, 1)
		s := New(f, l)
		held, err := s.ReadRange(t.Context(), f.Identity(), 0, 1<<20)
		if err != nil {
			t.Fatal(err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := s.ReadRange(ctx, f.Identity(), 0, 10); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("for a place: %v", err)
		}
		held.Close()

		ctx, cancel = context.WithTimeout(t.Context(), 500*time.Second)
		defer cancel()
		begin := time.Now()
		r, err := s.ReadRange(ctx, f.Identity(), 0, 1<<20)
		if err != nil {
			t.Fatal(err)
		}
		got, err := io.ReadAll(r)
		if !errors.Is(err, context.DeadlineExceeded) || time.Since(begin) != 500*time.Second || len(got) < 500_000 {
			t.Errorf("for bandwidth: %d bytes, %v after %v", len(got), err, time.Since(begin))
		}
		if _, running := l.Connections(); running != 0 {
			t.Error("the place is still taken")
		}
	})
}

// A place that is given in the moment its waiter leaves is not lost.
func TestNoPlaceIsLost(t *testing.T) {
	s := &slots{size: 1}
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			for i := range 1000 {
				ctx, cancel := context.WithCancel(context.Background())
				if i%2 == 0 {
					go cancel()
				}
				if s.acquire(ctx) == nil {
					s.release()
				}
				cancel()
			}
		})
	}
	wg.Wait()
	if _, taken := s.state(); taken != 0 || s.waiting.Len() != 0 {
		t.Errorf("%d taken, %d waiting", taken, s.waiting.Len())
	}
}
