package clone

import (
	"bytes"
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"hydrant/clone/state"
	"hydrant/dest"
)

// cold makes the rig's clone with nothing of it local, and opens it.
func (r *rig) cold() {
	r.t.Helper()
	r.opts.window = 512
	o := &opening{src: unclosed{r.src}, dst: r.dst, store: r.store, opts: r.opts}
	if err := o.make(context.Background()); err != nil {
		r.t.Fatal(err)
	}
	r.open()
}

// uncommitted keeps what is written from now on from becoming durable, until the writer is killed.
func (r *rig) uncommitted() (release func()) {
	r.t.Helper()
	f, err := r.store.Open()
	if err == nil {
		err = lockFile(context.Background(), f, state.LockLog, true)
	}
	if err != nil {
		r.t.Fatal(err)
	}
	r.c.head().Timeout.Store(uint64(2 * time.Second)) // of a commit that is under way when it is killed
	return func() { f.Close() }
}

// look opens the rig's clone for reading.
func (r *rig) look() *Clone {
	r.t.Helper()
	l, err := r.tryLook()
	if err != nil {
		r.t.Fatalf("look: %v", err)
	}
	return l
}

func (r *rig) tryLook() (*Clone, error) {
	l, err := r.lookOnce()
	if err == nil {
		r.t.Cleanup(func() { l.Close() })
	}
	return l, err
}

func (r *rig) lookOnce() (*Clone, error) {
	o := &opening{src: unclosed{r.src}, dst: r.dst, store: r.store, opts: r.opts, denied: ErrAccess}
	return o.look(context.Background())
}

// seen checks that the reader reads as want, all of it, and each region alone.
func seen(t *testing.T, l *Clone, want []byte) {
	t.Helper()
	got := make([]byte, len(want)+1)
	n, err := l.ReadAt(context.Background(), got, 0)
	if err != io.EOF || n != len(want) {
		t.Fatalf("read all: %d bytes, %v; want %d, EOF", n, err, len(want))
	}
	if i := differ(got[:n], want); i >= 0 {
		t.Fatalf("byte %d is %#x, want %#x", i, got[i], want[i])
	}
	for off := 0; off < len(want); off += 500 {
		p := make([]byte, min(500, len(want)-off))
		if n, err := l.ReadAt(context.Background(), p, int64(off)); err != nil || n != len(p) || !bytes.Equal(p, want[off:off+n]) {
			t.Fatalf("read %d at %d: %d, %v; or wrong bytes", len(p), off, n, err)
		}
	}
}

func noReader(t *testing.T, l *Clone, want error) {
	t.Helper()
	_, err := l.ReadAt(context.Background(), make([]byte, 100), 0)
	if !errors.Is(err, want) {
		t.Fatalf("read: %v, want %v", err, want)
	}
}

// change writes over whole regions, parts of regions and the first bytes, and returns what is to be
// read then.
func (r *rig) change(want []byte, with byte) []byte {
	want = bytes.Clone(want)
	for _, at := range []struct{ off, n int }{{0, 20}, {1024, 512}, {3000, 700}, {7000, 30}} {
		p := bytes.Repeat([]byte{with}, at.n)
		r.write(p, int64(at.off))
		copy(want[at.off:], p)
	}
	return want
}

// A reader sees at once what a writer has written and what it has cut, as it would if it could write.
func TestReaderBesideWriter(t *testing.T) {
	r := newRig(t, 9000, quiet)
	r.cold()
	l := r.look()
	seen(t, l, r.content)
	if got := r.c.Status().RegionsHydrated; got != 0 {
		t.Fatalf("%d regions were kept for a reader", got)
	}
	want := r.change(r.content, 'a')
	seen(t, l, want)
	if err := r.c.Truncate(context.Background(), 5000); err != nil {
		t.Fatal(err)
	}
	seen(t, l, want[:5000])
	if err := r.c.Truncate(context.Background(), 8000); err != nil {
		t.Fatal(err)
	}
	seen(t, l, append(bytes.Clone(want[:5000]), make([]byte, 3000)...))
	if s := l.Status(); s.Mode != "ro" || s.RegionsWritten == 0 || s.Size != 8000 {
		t.Errorf("status %+v", s)
	}
}

// What is cold is asked for once, and kept in memory.
func TestReaderFetchesOnce(t *testing.T) {
	r := newRig(t, 9000, quiet)
	r.cold()
	l := r.look()
	seen(t, l, r.content)
	n := r.src.Requests()
	seen(t, l, r.content)
	if more := r.src.Requests() - n; more != 0 || n != 2 {
		t.Fatalf("%d requests, and %d more when it was read again", n, more)
	}
	if got := r.image(); differ(got[16:], make([]byte, 9000-16)) >= 0 {
		t.Fatal("dest was changed")
	}
}

// Nobody alive: kill -9 leaves the shared maps, another mount the durable ones.
func TestReaderAfterDeath(t *testing.T) {
	for _, remounted := range []bool{false, true} {
		r := newRig(t, 9000, quiet)
		r.cold()
		synced := r.change(r.content, 'a')
		if err := r.c.Sync(context.Background()); err != nil {
			t.Fatal(err)
		}
		release := r.uncommitted()
		want := bytes.Clone(synced)
		p := bytes.Repeat([]byte{'b'}, 512)
		r.write(p, 5120) // a cold region: only the shared maps know
		copy(want[5120:], p)
		r.write(p[:16], 0) // and so the first bytes
		copy(want, p[:16])
		before := r.look()
		kill(r.c)
		release()
		if remounted {
			r.store.Mount++
			want = synced
		}
		l := r.look()
		seen(t, l, want)
		if !remounted {
			seen(t, before, want)
		}
	}
}

// A writer that comes while a reader goes by the durable maps begins with the same: the reader goes
// on with it, and sees what it does.
func TestReaderIsThereFirst(t *testing.T) {
	r := newRig(t, 9000, quiet)
	r.cold()
	want := r.change(r.content, 'a')
	if err := r.c.Sync(context.Background()); err != nil {
		t.Fatal(err)
	}
	kill(r.c)
	r.store.Mount++
	l := r.look()
	seen(t, l, want)
	r.open()
	seen(t, l, want)
	want = r.change(want, 'b')
	p := bytes.Repeat([]byte{'c'}, 512)
	r.write(p, 5632)
	copy(want[5632:], p)
	seen(t, l, want)
	kill(r.c)
	seen(t, l, want)
}

// A writer that comes from where the shared maps count knows more than the durable ones say. Going
// on would mix the two.
func TestReaderNeverMixes(t *testing.T) {
	r := newRig(t, 9000, quiet)
	r.cold()
	release := r.uncommitted()
	want := r.change(r.content, 'a')
	kill(r.c)
	release()
	r.store.Mount++
	l := r.look()
	seen(t, l, r.content) // nothing was synced
	r.store.Mount--
	r.open()
	noReader(t, l, ErrMoved)
	noReader(t, l, ErrMoved)
	seen(t, r.look(), want)

	// The other way round: what a reader had seen is given up.
	if err := r.c.Sync(context.Background()); err != nil {
		t.Fatal(err)
	}
	release = r.uncommitted()
	r.write(want[:512], 5632)
	kill(r.c)
	release()
	l = r.look()
	seen(t, l, append(append(bytes.Clone(want[:5632]), want[:512]...), want[6144:]...))
	r.store.Mount++
	r.open()
	noReader(t, l, ErrMoved)
	seen(t, r.look(), want)
}

// Completing and detaching go by under a reader.
func TestReaderSeesItComplete(t *testing.T) {
	for _, keep := range []bool{false, true} {
		r := newRig(t, 9000, quiet)
		r.opts.Keep = keep
		r.cold()
		early := r.look()
		want := r.change(r.content, 'a')
		seen(t, early, want)
		if err := r.c.Hydrate(context.Background(), 0, 9000); err != nil {
			t.Fatal(err)
		}
		if err := r.c.Close(); err != nil {
			t.Fatal(err)
		}
		if early.Guarded() {
			t.Fatal("still guarded")
		}
		seen(t, early, want)
		d, err := r.dst.Open() // an ordinary file: anybody may write
		if err != nil {
			t.Fatal(err)
		}
		defer d.Close()
		if _, err := d.WriteAt([]byte("a stranger's bytes at the very front"), 0); err != nil {
			t.Fatal(err)
		}
		copy(want, "a stranger's bytes at the very front")
		seen(t, early, want)
		if keep {
			seen(t, r.look(), want)
		}
		if names, err := publicNames(early); err != nil || !names {
			t.Fatalf("names are still private, %v", err)
		}
	}
}

func publicNames(l *Clone) (public bool, err error) {
	err = l.Companions(func(private bool) error { public = !private; return nil })
	return public, err
}

// Nobody gets public names while a reader uses the private ones.
func TestReaderHoldsNames(t *testing.T) {
	r := newRig(t, 9000, quiet)
	r.cold()
	l := r.look()
	r.c.completing.Lock() // not by itself
	if err := r.c.Hydrate(context.Background(), 0, 9000); err != nil {
		t.Fatal(err)
	}
	err := l.Companions(func(private bool) error {
		if !private {
			t.Fatal("public already")
		}
		ctx, cancel := context.WithCancel(context.Background())
		cancel()
		if err := r.c.publishDest(ctx, 0); !errors.Is(err, ErrBusy) {
			t.Errorf("completed under a reader: %v", err)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	r.c.completing.Unlock()
	r.wait1()
	if public, err := publicNames(l); err != nil || !public {
		t.Fatalf("public %v, %v", public, err)
	}
}

func (r *rig) wait1() {
	r.t.Helper()
	if err := r.c.tryComplete(context.Background(), false); err != nil || r.c.guarded() {
		r.t.Fatalf("not complete: %v", err)
	}
}

// What a reader may not settle, it refuses.
func TestReaderRefuses(t *testing.T) {
	t.Run("half made", func(t *testing.T) {
		r := newRig(t, 9000, quiet)
		o := &opening{src: unclosed{r.src}, dst: r.dst, store: r.store, opts: r.opts}
		if err := o.make(context.Background()); err != nil {
			t.Fatal(err)
		}
		if err := r.dst.Create(func(dest.Dest) error { return nil }); err != nil {
			t.Fatal(err)
		}
		if _, err := r.tryLook(); !errors.Is(err, ErrAccess) {
			t.Fatal(err)
		}
	})
	t.Run("completing", func(t *testing.T) {
		r := newRig(t, 9000, quiet)
		r.cold()
		if err := r.c.recordPhase(context.Background(), state.Completing); err != nil {
			t.Fatal(err)
		}
		kill(r.c)
		if _, err := r.tryLook(); !errors.Is(err, ErrAccess) {
			t.Fatal(err)
		}
	})
	t.Run("a copy in use", func(t *testing.T) {
		r := newRig(t, 9000, quiet)
		r.cold()
		kill(r.c)
		image := r.store.Image()
		r.store.Remove()
		if err := r.store.Create(func(f state.File) error {
			if err := f.Allocate(int64(len(image))); err != nil {
				return err
			}
			_, err := f.WriteAt(image, 0)
			return err
		}); err != nil {
			t.Fatal(err)
		}
		if _, err := r.tryLook(); !errors.Is(err, ErrCopied) {
			t.Fatal(err)
		}
	})
	t.Run("failed", func(t *testing.T) {
		r := newRig(t, 9000, quiet)
		r.cold()
		r.c.setMode(state.Failed, io.ErrUnexpectedEOF)
		if _, err := r.tryLook(); !errors.Is(err, ErrFailed) {
			t.Fatal(err)
		}
	})
}

// In mode ro a reader goes on until somebody judges, as everybody does who has the clone open.
func TestReaderInModeRO(t *testing.T) {
	r := newRig(t, 9000, quiet)
	r.cold()
	synced := r.change(r.content, 'a')
	if err := r.c.Sync(context.Background()); err != nil {
		t.Fatal(err)
	}
	release := r.uncommitted()
	p := bytes.Repeat([]byte{'b'}, 512)
	r.write(p, 5120)
	want := bytes.Clone(synced)
	copy(want[5120:], p)
	l := r.look()
	r.c.setMode(state.ReadOnly, io.ErrUnexpectedEOF)
	seen(t, l, want)
	kill(r.c)
	release()
	seen(t, l, want) // as everybody does who had it open before
	later := r.look()
	seen(t, later, synced) // as the next to open it will
	seen(t, l, want)
	if _, err := Recover(r.dst, r.store); err != nil {
		t.Fatal(err)
	}
	noReader(t, l, ErrMoved)
	noReader(t, later, ErrMoved)
	seen(t, r.look(), synced)
}

// A reader beside writers that come, write, cut, are killed and come by another mount: each region
// it reads is one that was there at some moment of the read, or it is told to open it again.
func TestReaderAmongComersAndGoers(t *testing.T) {
	const size, rs = 64 * 512, 512
	for seed := range uint64(20) {
		r := newRig(t, size, quiet)
		r.cold()
		kill(r.c)
		rng := rand.New(rand.NewPCG(seed, 5))
		// Region i is the source's, or has one byte all over; what is on its way may be seen.
		var mu sync.Mutex
		allowed := make([]map[byte]bool, size/rs)
		stop, done := make(chan bool), make(chan bool)
		var good atomic.Int64
		for i := range allowed {
			allowed[i] = map[byte]bool{}
		}
		go func() {
			defer close(done)
			var l *Clone
			var err error
			for n := 0; ; n++ {
				select {
				case <-stop:
					if l != nil {
						l.Close()
					}
					return
				default:
				}
				if l == nil {
					mu.Lock() // another mount comes between two of these
					l, err = r.lookOnce()
					mu.Unlock()
					if err != nil {
						t.Errorf("seed %d: %v", seed, err)
						return
					}
				}
				i := n * 7 % len(allowed)
				p := make([]byte, rs)
				_, err := l.ReadAt(context.Background(), p, int64(i)*rs)
				if errors.Is(err, ErrMoved) {
					l.Close()
					l = nil
					continue
				}
				was := func(p, content []byte) bool {
					v := p[len(p)-1]
					mu.Lock()
					defer mu.Unlock()
					return bytes.Equal(p, content) || allowed[i][v] && bytes.Equal(p, bytes.Repeat([]byte{v}, len(p)))
				}
				first := 0
				if i == 0 {
					first = state.FirstBytes // a write of these and of what follows is two
				}
				content := r.content[i*rs:][:rs]
				ok := was(p[first:], content[first:]) && (first == 0 || was(p[:first], content[:first]))
				if err != nil || !ok {
					t.Errorf("seed %d: region %d: %v, % x …", seed, i, err, p[:20])
					return
				}
				good.Add(1)
			}
		}()
		for range 6 {
			r.open()
			for range 30 {
				i, v := rng.IntN(len(allowed)), byte(1+rng.IntN(255))
				mu.Lock()
				allowed[i][v] = true
				mu.Unlock()
				r.write(bytes.Repeat([]byte{v}, rs), int64(i)*rs)
				if rng.IntN(10) == 0 {
					if err := r.c.Sync(context.Background()); err != nil {
						t.Fatal(err)
					}
				}
			}
			for before := good.Load(); good.Load() < before+5; {
				select {
				case <-done:
					t.FailNow()
				case <-time.After(time.Millisecond):
				}
			}
			kill(r.c)
			if rng.IntN(2) == 0 {
				mu.Lock()
				r.store.Mount++
				mu.Unlock()
			}
		}
		close(stop)
		<-done
		if t.Failed() {
			return
		}
	}
}
