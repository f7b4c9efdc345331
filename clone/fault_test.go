package clone

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"hydrant/clone/state"
	"hydrant/source/sourcetest"
)

// A state file that somebody cuts under us is pages that are not there any more. The process lives,
// and everything says what is wrong.
func TestStateFileIsCut(t *testing.T) {
	if state.BootID() == [16]byte{} {
		t.Skip("memory is not shared here")
	}
	for _, left := range []int64{0, 4096, 16384} { // nothing; the superblocks; and the header too
		for _, background := range []bool{false, true} {
			t.Run(fmt.Sprint(left, background), func(t *testing.T) {
				const size = 8 << 20
				o := newOracle(size, 1)
				f := &family{t: t, path: filepath.Join(t.TempDir(), "blob"), src: sourcetest.NewVirtual(o.blob, size)}
				f.opts.NoBackground = !background
				f.opts.Knobs.Bandwidth = knob(int64(1 << 20))
				c, second := f.open(), f.open()
				ctx := context.Background()
				if _, err := c.WriteAt(ctx, make([]byte, 5000), 100_000); err != nil {
					t.Fatal(err)
				}
				// Not in the middle of an append, which would make it long again.
				c.logMu.Lock()
				second.logMu.Lock()
				err := os.Truncate(f.path+state.Suffix, left)
				c.logMu.Unlock()
				second.logMu.Unlock()
				if err != nil {
					t.Fatal(err)
				}
				p := make([]byte, 10_000)
				for what, call := range map[string]func() error{
					"read":       func() error { _, err := c.ReadAt(ctx, p, 5<<20); return err },
					"read local": func() error { _, err := c.ReadAt(ctx, p, 0); return err },
					"write":      func() error { _, err := c.WriteAt(ctx, p, 6<<20); return err },
					"hydrate":    func() error { return c.Hydrate(ctx, 0, size) },
					"sync":       func() error { return c.Sync(ctx) },
					"discard":    func() error { return c.Discard(ctx, 0, 1<<20) },
					"truncate":   func() error { return c.Truncate(ctx, 7<<20) },
					"tune":       func() error { return c.Tune(Knobs{Bandwidth: knob(int64(0))}) },
					"wait":       func() error { return c.Wait(ctx) },
					"detach":     func() error { return c.Detach(ctx) },
					"companions": func() error { return c.Companions(func(bool) error { return nil }) },
				} {
					err := within(t, what, func(context.Context) error { return call() })
					// With the header there, what needs only that still goes, and a sync says that it cannot.
					needs := left < 16384 || what == "read" || what == "write" || what == "hydrate" || what == "sync"
					if needs && err == nil || err != nil && !errors.Is(err, ErrFailed) && (left < 16384 || !errors.Is(err, ErrReadOnly)) {
						t.Errorf("%s: %v", what, err)
					}
				}
				if s := c.Status(); s.Mode != "failed" || !strings.Contains(s.Error, "shared memory") {
					t.Errorf("status: %+v", s)
				}
				if !c.Guarded() {
					t.Error("not guarded any more, it says")
				}
				for _, c := range []*Clone{c, second} {
					if err := within(t, "close", func(context.Context) error { return c.Close() }); !errors.Is(err, ErrFailed) {
						t.Errorf("close: %v", err)
					}
				}
			})
		}
	}
}

// A fault in a commit is every sync's that shares it, and nobody waits for it.
func TestFaultInACommit(t *testing.T) {
	if state.BootID() == [16]byte{} {
		t.Skip("memory is not shared here")
	}
	o := newOracle(1<<20, 1)
	f := &family{t: t, path: filepath.Join(t.TempDir(), "blob"), src: sourcetest.NewVirtual(o.blob, 1<<20)}
	quiet(&f.opts)
	c := f.open()
	if err := os.Truncate(f.path+state.Suffix, 0); err != nil {
		t.Fatal(err)
	}
	errs := make(chan error, 8)
	for range cap(errs) {
		go func() { errs <- c.Sync(context.Background()) }()
	}
	for range cap(errs) {
		select {
		case err := <-errs:
			if !errors.Is(err, ErrFailed) {
				t.Error(err)
			}
		case <-time.After(deadline):
			t.Fatal("a sync hangs")
		}
	}
}

// A panic that is not a fault of the shared memory goes on.
func TestOtherPanicsGoOn(t *testing.T) {
	r := newRig(t, 1000, quiet, keep)
	c := r.open()
	defer func() {
		if p := recover(); p != "mine" {
			t.Errorf("%v", p)
		}
		if c.broken.Load() != nil {
			t.Error("the clone is said to be broken")
		}
	}()
	c.Companions(func(bool) error { panic("mine") })
}
