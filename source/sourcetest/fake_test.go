package sourcetest

import (
	"context"
	"errors"
	"io"
	"testing"
	"testing/synctest"
	"time"

	"hydrant/internal/pattern"
	"hydrant/source"
)

func TestFake(t *testing.T) {
	Run(t, func(t *testing.T, content []byte) Place {
		f := NewFake(content)
		return Place{Source: f, Replace: f.Replace, Remove: f.Remove}
	})
}

func TestFakeWithSidecar(t *testing.T) {
	Run(t, func(t *testing.T, content []byte) Place {
		f := WithSidecar(NewFake(content))
		return Place{Source: f, Replace: f.Replace, Remove: f.Remove}
	})
}

func TestFakeOfAnySize(t *testing.T) {
	const size = 100 << 30
	b := pattern.Blob{Seed: 4}
	f := NewVirtual(b, size)
	got := make([]byte, 4096)
	if err := source.ReadAll(t.Context(), f, f.Identity(), got, size-4096); err != nil {
		t.Fatal(err)
	}
	if err := b.Check(got, size-4096); err != nil {
		t.Error(err)
	}
}

func TestFakeFaults(t *testing.T) {
	content := pattern.Blob{Seed: 2}.Bytes(1000)
	tests := []struct {
		name  string
		plan  Plan
		read  int           // bytes before the error
		took  time.Duration // until the error
		want  error
		class source.Kind
	}{
		{"at once", Always(Fault{Err: Reset()}), 0, 0, errReset, source.Transient},
		{"late", Always(Fault{Latency: time.Second, Err: SlowDown(0)}), 0, time.Second, errSlowDown, source.Throttled},
		{"in the body", Always(Fault{After: 300, Err: Reset()}), 300, 0, errReset, source.Transient},
		{"stall", Always(Fault{After: 300, Stall: true}), 300, time.Minute, context.DeadlineExceeded, source.Final},
		{"slow", Always(Fault{Chunk: 10, Pause: 1100 * time.Millisecond}), 550, time.Minute, context.DeadlineExceeded, source.Final},
		{"not this one", Nth(2, Fault{Err: Reset()}), 1000, 0, nil, source.Final},
		{"covered", Covering(999, Fault{Err: Reset()}), 0, 0, errReset, source.Transient},
		{"not covered", Covering(1000, Fault{Err: Reset()}), 1000, 0, nil, source.Final},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := NewFake(content)
				f.Plan(tt.plan)
				ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
				defer cancel()
				begin := time.Now()
				got := make([]byte, 1000)
				n := 0
				r, err := f.ReadRange(ctx, f.Identity(), 0, 1000)
				if err == nil {
					n, err = io.ReadFull(r, got)
					r.Close()
				}
				if n != tt.read || !errors.Is(err, tt.want) || source.KindOf(err) != tt.class {
					t.Errorf("got %d bytes, %v; want %d, %v", n, err, tt.read, tt.want)
				}
				if took := time.Since(begin); took != tt.took {
					t.Errorf("took %v, want %v", took, tt.took)
				}
				if now, most := f.InFlight(); now != 0 || most != 1 {
					t.Errorf("in flight: %d, at most %d", now, most)
				}
			})
		})
	}
}

func TestFakeGate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		gate := make(chan struct{})
		f := NewFake(make([]byte, 1000))
		f.Plan(Always(Fault{After: 400, Gate: gate}))
		done := make(chan struct{})
		go func() {
			defer close(done)
			if err := source.ReadAll(t.Context(), f, f.Identity(), make([]byte, 1000), 0); err != nil {
				t.Error(err)
			}
		}()
		synctest.Wait()
		if f.Delivered() != 400 {
			t.Errorf("%d bytes came through the gate, want 400", f.Delivered())
		}
		close(gate)
		<-done
		if f.Delivered() != 1000 {
			t.Errorf("%d bytes, want 1000", f.Delivered())
		}
	})
}

func TestTwice(t *testing.T) {
	f := NewFake(make([]byte, 1000))
	read := func(off, n int64) {
		if err := source.ReadAll(t.Context(), f, f.Identity(), make([]byte, n), off); err != nil {
			t.Fatal(err)
		}
	}
	for _, step := range []struct{ off, n, twice int64 }{
		{100, 100, 0}, //     |xx        |
		{300, 100, 0}, //     |xx  xx    |
		{200, 100, 0}, //     |xxxxxx    |
		{150, 100, 100},
		{0, 1000, 400},
	} {
		read(step.off, step.n)
		if f.Twice() != step.twice {
			t.Errorf("after [%d,+%d): %d bytes twice, want %d", step.off, step.n, f.Twice(), step.twice)
		}
	}
}
