package clone

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"testing"

	"hydrant/clone/state"
)

func TestHydratesAndDetaches(t *testing.T) {
	for _, size := range []int64{0, 1, 15, 16, 17, 511, 512, 513, 100_000, 1 << 20, 3<<20 + 77} {
		r := newRig(t, size)
		r.open()
		r.wait()
		r.expect(r.content)
		if err := r.c.Close(); err != nil {
			t.Fatalf("size %d: close: %v", size, err)
		}
		if r.store.Image() != nil {
			t.Errorf("size %d: state file is still there", size)
		}
		if i := differ(r.image(), r.content); i >= 0 {
			t.Errorf("size %d: dest differs at byte %d", size, i)
		}
		if n := r.src.Twice(); n > 0 {
			t.Errorf("size %d: %d bytes fetched twice", size, n)
		}
		if _, err := r.tryOpen(); !errors.Is(err, ErrPlain) {
			t.Errorf("size %d: opening the plain file: %v, want ErrPlain", size, err)
		}
	}
}

func TestGuardStandsUntilComplete(t *testing.T) {
	r := newRig(t, 300_000, quiet)
	r.open()
	r.read(0, 5000) // not all of it: then it would be complete
	r.write([]byte("0123456789abcdefXYZ"), 0)
	if !state.IsGuard(r.image()) {
		t.Fatal("first bytes on disk are no guard")
	}
	want := bytes.Clone(r.content)
	copy(want, "0123456789abcdefXYZ")
	if got := r.read(0, 5000); differ(got, want[:5000]) >= 0 {
		t.Fatal("what was written over the guard is not read")
	}
	kill(r.c)
	if !state.IsGuard(r.image()) {
		t.Fatal("first bytes on disk are no guard after kill")
	}
	r.open()
	r.expect(want)
	if err := r.c.Close(); err != nil {
		t.Fatal(err)
	}
	if i := differ(r.image(), want); i >= 0 {
		t.Fatalf("dest differs at byte %d", i)
	}
}

func TestOverwriteFetchesNothing(t *testing.T) {
	r := newRig(t, 1<<20, quiet)
	r.open()
	before := len(r.src.Ranges())
	p := bytes.Repeat([]byte("w"), 300<<10)
	r.write(p, 512<<10)
	r.write(p[:1<<10-23], 1<<20-1<<10+23) // up to the end of the short tail
	if n := len(r.src.Ranges()) - before; n != 0 {
		// the last write begins inside a region, which has to be fetched; nothing else
		if n > 1 {
			t.Fatalf("%d ranges fetched for whole regions: %+v", n, r.src.Ranges())
		}
	}
	want := bytes.Clone(r.content)
	copy(want[512<<10:], p)
	copy(want[1<<20-1<<10+23:], p[:1<<10-23])
	r.expect(want)
}

func TestTruncateNeverShowsTheSourceAgain(t *testing.T) {
	for _, cut := range []int64{0, 1, 15, 16, 17, 512, 700, 5000, 9999} {
		r := newRig(t, 10_000, quiet)
		r.open()
		if err := r.c.Truncate(context.Background(), cut); err != nil {
			t.Fatalf("truncate to %d: %v", cut, err)
		}
		want := bytes.Clone(r.content[:cut])
		r.expect(want)
		if err := r.c.Truncate(context.Background(), 12_000); err != nil {
			t.Fatal(err)
		}
		want = append(want, make([]byte, 12_000-cut)...)
		r.expect(want)
		r.write([]byte("tail"), 11_000)
		copy(want[11_000:], "tail")
		if err := r.c.Close(); err != nil {
			t.Fatal(err)
		}
		if i := differ(r.image(), want); i >= 0 {
			t.Fatalf("cut at %d: dest differs at byte %d", cut, i)
		}
	}
}

func TestOpenRefuses(t *testing.T) {
	ctx := context.Background()
	other := newRig(t, 1000)
	other.src.Rename("fake:other")

	t.Run("nothing and no source", func(t *testing.T) {
		r := newRig(t, 1000)
		if _, err := Open(ctx, nil, r.dst, r.store, nil); !errors.Is(err, fs.ErrNotExist) {
			t.Fatal(err)
		}
	})
	t.Run("another source", func(t *testing.T) {
		r := newRig(t, 100_000, quiet)
		r.open().Close()
		if _, err := Open(ctx, other.src, r.dst, r.store, nil); !errors.Is(err, ErrOtherSource) {
			t.Fatal(err)
		}
	})
	t.Run("guard without state", func(t *testing.T) {
		r := newRig(t, 100_000, quiet)
		r.open().Close()
		r.store.SetImage(nil)
		if _, err := r.tryOpen(); !errors.Is(err, ErrOrphan) {
			t.Fatal(err)
		}
	})
	t.Run("dest replaced", func(t *testing.T) {
		r := newRig(t, 100_000, quiet)
		r.open().Close()
		d, _ := r.dst.Open()
		d.WriteAt([]byte("somebody's backup"), 0)
		d.Close()
		if _, err := r.tryOpen(); !errors.Is(err, ErrMismatch) {
			t.Fatal(err)
		}
	})
	t.Run("damaged state", func(t *testing.T) {
		r := newRig(t, 100_000, quiet)
		r.open().Close()
		img := r.store.Image()
		for _, cut := range []int{0, 100, 4096, len(img) - 1} {
			r.store.SetImage(img[:cut])
			if _, err := r.tryOpen(); !errors.Is(err, state.ErrDamaged) {
				t.Fatalf("cut to %d: %v", cut, err)
			}
		}
		flipped := bytes.Clone(img)
		flipped[30] ^= 1
		flipped[4096+30] ^= 1
		r.store.SetImage(flipped)
		if _, err := r.tryOpen(); !errors.Is(err, state.ErrDamaged) {
			t.Fatal(err)
		}
		r.store.SetImage(img)
		r.open()
	})
	t.Run("bad knobs", func(t *testing.T) {
		r := newRig(t, 1000)
		bad := -1
		r.opts.Knobs.Connections = &bad
		if _, err := r.tryOpen(); !errors.Is(err, ErrUsage) {
			t.Fatal(err)
		}
	})
}

func TestKeptUntilDetached(t *testing.T) {
	r := newRig(t, 10_000, func(o *Options) { o.Keep = true })
	r.open()
	r.wait()
	r.c.Close()
	r.opts.Keep = false
	for range 2 {
		if r.open(); r.c.Status().State != StateComplete {
			t.Fatalf("state %q", r.c.Status().State)
		}
		r.expect(r.content)
		if err := r.c.Close(); err != nil || r.store.Image() == nil {
			t.Fatalf("close: %v; a clone that is kept lost its state file", err)
		}
	}
	r.open()
	if err := r.c.Detach(context.Background()); err != nil || r.store.Image() != nil {
		t.Fatalf("detach: %v", err)
	}
	r.expect(r.content)
	if s := r.c.Status().State; s != StateDetached {
		t.Fatalf("state %q", s)
	}
}
