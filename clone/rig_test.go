package clone

import (
	"bytes"
	"context"
	"io"
	"math/rand/v2"
	"testing"
	"time"

	"hydrant/clone/state"
	"hydrant/dest"
	"hydrant/internal/pattern"
	"hydrant/source/sourcetest"
)

// rig is a clone in memory whose parts a test can reach.
type rig struct {
	t       testing.TB
	content []byte
	src     *sourcetest.Fake
	dst     dest.Target
	store   *state.MemoryStore
	opts    Options
	c       *Clone
}

// quiet switches the background off, so that only what the test asks for happens.
func quiet(o *Options) { off := false; o.NoBackground = true; o.Knobs.Hydration = &off }

func newRig(t testing.TB, size int64, change ...func(*Options)) *rig {
	content := pattern.Blob{Seed: 7}.Bytes(size)
	r := &rig{t: t, content: content, src: sourcetest.NewFake(content), dst: dest.Memory(), store: &state.MemoryStore{}}
	r.opts.RegionSize = 512
	for _, f := range change {
		f(&r.opts)
	}
	return r
}

// open opens the clone; a fake source can be closed many times over.
func (r *rig) open() *Clone {
	r.t.Helper()
	c, err := r.tryOpen()
	if err != nil {
		r.t.Fatalf("open: %v", err)
	}
	return c
}

func (r *rig) tryOpen() (*Clone, error) {
	c, err := Open(context.Background(), unclosed{r.src}, r.dst, r.store, &r.opts)
	if err == nil {
		r.c = c
		r.t.Cleanup(func() { c.Close() })
	}
	return c, err
}

// unclosed keeps the source of a test open across the lives of a clone.
type unclosed struct{ *sourcetest.Fake }

func (unclosed) Close() error { return nil }

// kill ends a clone as kill -9 would: nothing is made durable, locks and memory maps go.
func kill(c *Clone) {
	c.once.Do(func() {
		c.halt()
		c.inside.Lock()
		defer c.inside.Unlock()
		c.dst.Close()
		c.st.File.Close()
	})
}

// read returns [off, off+n), which must be there.
func (r *rig) read(off, n int64) []byte {
	r.t.Helper()
	p := make([]byte, n)
	if got, err := r.c.ReadAt(context.Background(), p, off); err != nil || int64(got) != n {
		r.t.Fatalf("read %d at %d: %d, %v", n, off, got, err)
	}
	return p
}

// expect checks that the clone reads as want, all of it.
func (r *rig) expect(want []byte) {
	r.t.Helper()
	got := make([]byte, len(want)+1)
	n, err := r.c.ReadAt(context.Background(), got, 0)
	if err != io.EOF || n != len(want) {
		r.t.Fatalf("read all: %d bytes, %v; want %d, EOF", n, err, len(want))
	}
	if i := differ(got[:n], want); i >= 0 {
		r.t.Fatalf("byte %d is %#x, want %#x", i, got[i], want[i])
	}
}

func (r *rig) write(p []byte, off int64) {
	r.t.Helper()
	if n, err := r.c.WriteAt(context.Background(), p, off); err != nil || n != len(p) {
		r.t.Fatalf("write %d at %d: %d, %v", len(p), off, n, err)
	}
}

// image is dest as it is, without the engine.
func (r *rig) image() []byte {
	r.t.Helper()
	d, err := r.dst.Open()
	if err != nil {
		r.t.Fatal(err)
	}
	defer d.Close()
	size, _ := d.Size()
	b := make([]byte, size)
	if _, err := d.ReadAt(b, 0); err != nil && err != io.EOF {
		r.t.Fatal(err)
	}
	return b
}

// wait waits for completion, bounded so that a hang is a failure.
func (r *rig) wait() {
	r.t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	if err := r.c.Wait(ctx); err != nil {
		r.t.Fatalf("wait: %v; %+v", err, r.c.Status())
	}
}

func differ(a, b []byte) int {
	if bytes.Equal(a, b) {
		return -1
	}
	for i := range a {
		if i >= len(b) || a[i] != b[i] {
			return i
		}
	}
	return len(a)
}

// keep leaves the state file, so that a test can open the clone again when all is local.
func keep(o *Options) { o.Keep = true }

func newRand(seed uint64) *rand.Rand { return rand.New(rand.NewPCG(seed, 1)) }
