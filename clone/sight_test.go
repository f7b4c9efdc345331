package clone

import (
	"bytes"
	"context"
	"errors"
	"testing"

	"hydrant/clone/state"
	"hydrant/dest"
)

// eyed is a destination that tells when it has been read by who looks on, and when it is about to
// be dropped from memory.
type eyed struct {
	dest.Target
	read, drop func()
}

func (w *eyed) Open() (dest.Dest, error) { return w.wrap(w.Target.Open()) }

func (w *eyed) OpenReadOnly() (dest.Dest, error) {
	return w.wrap(w.Target.(dest.Onlooker).OpenReadOnly())
}

func (w *eyed) wrap(d dest.Dest, err error) (dest.Dest, error) {
	if err != nil {
		return nil, err
	}
	return &eyedDest{d, w}, nil
}

type eyedDest struct {
	dest.Dest
	w *eyed
}

func (d *eyedDest) ReadAt(p []byte, off int64) (int, error) {
	n, err := d.Dest.ReadAt(p, off)
	if f := d.w.read; f != nil {
		d.w.read = nil
		f()
	}
	return n, err
}

func (d *eyedDest) DropCache() error {
	if d.w.drop != nil {
		d.w.drop()
	}
	return nil
}

// deadWriter is a clone of which a cold region was written and is not durable, and its writer dead.
func deadWriter(t *testing.T) (r *rig, w *eyed, want []byte) {
	r = newRig(t, 9000, quiet)
	w = &eyed{Target: r.dst}
	r.dst = w
	r.cold()
	want = bytes.Clone(r.content)
	copy(want[5120:], bytes.Repeat([]byte{'b'}, 512))
	release := r.uncommitted()
	r.write(want[5120:5632], 5120)
	kill(r.c)
	release()
	return r, w, want
}

// What was read counts only if nobody has begun to decide otherwise before it was all there.
func TestReaderLooksAgainAfterReading(t *testing.T) {
	t.Run("shared maps", func(t *testing.T) {
		r, w, want := deadWriter(t)
		l := r.look()
		seen(t, l, want)
		w.read = func() { // somebody comes by another mount: what was not synced is the source's again
			r.store.Mount++
			r.open()
		}
		p := make([]byte, 512)
		if n, err := l.ReadAt(context.Background(), p, 5120); !errors.Is(err, ErrMoved) {
			t.Fatalf("%d bytes, % x …, %v", n, p[:4], err)
		}
		seen(t, r.look(), r.content)
	})
	t.Run("durable maps", func(t *testing.T) {
		r, w, want := deadWriter(t)
		r.open()
		if err := r.c.Sync(context.Background()); err != nil {
			t.Fatal(err)
		}
		release := r.uncommitted()
		r.write(bytes.Repeat([]byte{'c'}, 512), 6144)
		kill(r.c)
		release()
		r.store.Mount++
		l := r.look()
		seen(t, l, want)
		w.read = func() { // somebody comes to whom more counts than is durable
			r.store.Mount--
			r.open()
		}
		if _, err := l.ReadAt(context.Background(), make([]byte, 512), 5120); !errors.Is(err, ErrMoved) {
			t.Fatal(err)
		}
	})
}

// Who goes by the durable maps goes on with whoever makes the shared ones of them, and of none that
// are newer: somebody may have been there in between.
func TestReaderGoesOnWithTheFirstAlone(t *testing.T) {
	r, _, want := deadWriter(t)
	r.store.Mount++
	l := r.look()
	seen(t, l, r.content)
	r.store.Mount--
	r.open() // the shared maps count
	if err := r.c.Sync(context.Background()); err != nil {
		t.Fatal(err)
	}
	kill(r.c)
	r.store.Mount++
	r.open() // the durable ones do, which are others by now
	noReader(t, l, ErrMoved)
	seen(t, r.look(), want)
}

// Somebody begins to judge and is killed over it: of the shared maps nobody knows what they are.
func TestReaderBesideWhoDiesJudging(t *testing.T) {
	r, _, _ := deadWriter(t)
	r.store.Mount++
	l := r.look()
	seen(t, l, r.content)
	f, err := r.store.Open()
	if err != nil {
		t.Fatal(err)
	}
	st, err := state.Load(f)
	if err != nil {
		t.Fatal(err)
	}
	durable, err := state.OpenDurable(f, st.Layout, st.Super.UUID)
	if err != nil {
		t.Fatal(err)
	}
	if ok, err := f.TryLock(state.LockAttach, 1, true); err != nil || !ok {
		t.Fatal(ok, err)
	}
	st.Head.Judged.Add(1)
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if _, err := l.ReadAt(ctx, make([]byte, 100), 0); !errors.Is(err, ErrBusy) {
		t.Fatalf("while he is at it: %v, want ErrBusy", err)
	}
	st.Reset(durable)
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	noReader(t, l, ErrMoved)
}

// Recovering tells before it makes the kernel forget what readers have seen of dest.
func TestReaderIsToldBeforeAnythingIsDropped(t *testing.T) {
	r := newRig(t, 9000, quiet)
	w := &eyed{Target: r.dst}
	r.dst = w
	r.cold()
	want := r.change(r.content, 'a')
	l := r.look()
	seen(t, l, want)
	r.c.setMode(state.ReadOnly, errors.New("a sync failed"))
	kill(r.c)
	dropped := 0
	w.drop = func() {
		dropped++
		noReader(t, l, ErrMoved)
	}
	if _, err := Recover(r.dst, r.store); err != nil || dropped == 0 {
		t.Fatalf("%v, dropped %d times", err, dropped)
	}
}

// Who comes to read when the clone is complete and detached finds a plain file.
func TestReaderComesWhenItIsPlain(t *testing.T) {
	r := newRig(t, 9000, quiet)
	r.cold()
	if err := r.c.Hydrate(context.Background(), 0, 9000); err != nil {
		t.Fatal(err)
	}
	if err := r.c.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := r.tryLook(); !errors.Is(err, ErrPlain) {
		t.Fatal(err)
	}
}

// Whatever would change something is refused, in words that say why.
func TestReaderChangesNothing(t *testing.T) {
	r := newRig(t, 9000, quiet)
	r.cold()
	ctx := context.Background()
	before, front := r.store.Image(), r.image()
	l := r.look()
	on := true
	for name, err := range map[string]error{
		"write":    second(l.WriteAt(ctx, []byte("y"), 100)),
		"truncate": l.Truncate(ctx, 10),
		"discard":  l.Discard(ctx, 0, 9000),
		"sync":     l.Sync(ctx),
		"hydrate":  l.Hydrate(ctx, 0, 10),
		"tune":     l.Tune(Knobs{Hydration: &on}),
		"detach":   l.Detach(ctx),
		"wait":     l.Wait(ctx),
		"writable": l.Writable(),
	} {
		if !errors.Is(err, ErrAccess) {
			t.Errorf("%s: %v, want ErrAccess", name, err)
		}
	}
	seen(t, l, r.content)
	if s := l.Status(); s.Mode != "ro" || s.State != StatePaused || s.RegionsHydrated != 0 {
		t.Errorf("status %+v", s)
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(r.image(), front) {
		t.Error("dest was changed")
	}
	after := r.store.Image()
	if i := differ(after, before); i >= 0 {
		t.Errorf("the state file was changed at %d", i)
	}
	noReader(t, l, ErrClosed)
	if err := l.Sync(ctx); !errors.Is(err, ErrClosed) {
		t.Errorf("sync when it is closed: %v", err)
	}
}

// A power loss in the middle of a cut leaves a dest that ends inside a cold region: what is behind its
// end is the source's no more.
func TestReaderWhereDestEndsInsideAColdRegion(t *testing.T) {
	r := newRig(t, 9000, quiet)
	r.cold()
	if err := r.c.allowCut(context.Background(), 5000); err != nil {
		t.Fatal(err)
	}
	kill(r.c)
	d, err := r.dst.Open()
	if err == nil {
		err = errors.Join(d.Truncate(5000), d.Close())
	}
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		seen(t, r.look(), r.content[:5000])
		r.store.Mount++
	}
}
