package clone

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"
)

// Who waits for the end where nobody hydrates is told so, and waits on when somebody does.
func TestWaitWhereNobodyHydrates(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, 1<<20, keep)
		r.opts.NoBackground = true
		c := r.open()
		begun := time.Now()
		if err := c.Wait(context.Background()); !errors.Is(err, ErrPaused) {
			t.Errorf("wait: %v", err)
		}
		if took := time.Since(begun); took > 10*time.Second {
			t.Errorf("it took %v", took)
		}
		r.opts.NoBackground = false
		r.opts.Knobs.Bandwidth = knob(int64(50_000)) // 20 seconds
		d := r.open()
		time.Sleep(3 * time.Second)
		if err := c.Wait(context.Background()); err != nil {
			t.Errorf("while another hydrates: %v", err)
		}
		c.Close()
		d.Close()
	})
}

// A process that hydrated and is gone is named.
func TestWaitAfterTheHydratorIsGone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, 1<<20, keep)
		r.opts.Knobs.Bandwidth = knob(int64(50_000))
		gone := r.open()
		r.opts.NoBackground = true
		c := r.open()
		time.Sleep(2 * time.Second)
		gone.Close()
		err := c.Wait(context.Background())
		if !errors.Is(err, ErrPaused) {
			t.Errorf("wait: %v", err)
		}
		t.Log(err)
		c.Close()
	})
}

// A bandwidth that is small beside the timeout slows hydration down, and breaks nothing off: the
// source has not been silent.
func TestSmallBandwidthIsNotSilence(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, 400_000, keep)
		r.opts.Knobs.Bandwidth = knob(int64(1000))
		r.opts.Knobs.Timeout = knob(100 * time.Millisecond)
		c := r.open()
		time.Sleep(time.Minute)
		begun := time.Now()
		if got := r.read(390_000, 1000); differ(got, r.content[390_000:][:1000]) >= 0 {
			t.Error("wrong bytes")
		}
		if took := time.Since(begun); took > time.Second {
			t.Errorf("a read took %v", took)
		}
		if err := c.Wait(context.Background()); err != nil {
			t.Errorf("wait: %v", err)
		}
		r.expect(r.content)
		if s := c.Status(); s.Error != "" || r.src.Twice() > int64(c.head().Refetched.Load()) {
			t.Errorf("%d bytes twice, %+v", r.src.Twice(), s)
		}
		c.Close()
	})
}
