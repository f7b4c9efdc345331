package cache

import (
	"context"
	"errors"
	"io"
	"io/fs"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"hydrant/internal/pattern"
	"hydrant/source"
	"hydrant/source/sourcetest"
)

var blob = pattern.Blob{Seed: 12}

func newPool(t *testing.T, bytes, blockSize int64) *Pool {
	t.Helper()
	p, err := NewPool(bytes, Options{BlockSize: blockSize})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { p.Close() })
	return p
}

func TestSuite(t *testing.T) {
	for name, size := range map[string]int64{"Ample": 64 << 20, "Tiny": 8 << 10} {
		t.Run(name, func(t *testing.T) {
			sourcetest.Run(t, func(t *testing.T, content []byte) sourcetest.Place {
				f := sourcetest.NewFake(content)
				return sourcetest.Place{
					Source:  New(f, newPool(t, size, 4<<10)),
					Replace: f.Replace,
					Remove:  f.Remove,
				}
			})
		})
	}
}

// check reads a range and compares it.
func check(t *testing.T, s source.Source, id source.Identity, off, n int64) {
	t.Helper()
	got := make([]byte, n)
	if err := source.ReadAll(t.Context(), s, id, got, off); err != nil {
		t.Errorf("read [%d,+%d): %v", off, n, err)
	} else if err := blob.Check(got, off); err != nil {
		t.Error(err)
	}
}

// Twenty sources of one blob, each read all over in ranges of any size, fetch each block once.
func TestEachBlockOnce(t *testing.T) {
	const size, blockSize = 10<<20 + 77, 64 << 10
	pool := newPool(t, 64<<20, blockSize)
	f := sourcetest.NewFake(blob.Bytes(size))
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	var wg sync.WaitGroup
	for i := range uint64(20) {
		wg.Go(func() {
			rng := rand.New(rand.NewPCG(seed, i))
			s := New(f, pool)
			for range 50 {
				n := 1 + rng.Int64N(1<<rng.IntN(23))
				check(t, s, f.Identity(), rng.Int64N(size-n+1), n)
			}
			check(t, s, f.Identity(), 0, size)
		})
	}
	wg.Wait()
	if f.Twice() != 0 || f.Delivered() != size {
		t.Errorf("%d of %d bytes fetched, %d of them again", f.Delivered(), size, f.Twice())
	}
	if len(pool.flights) != 0 {
		t.Errorf("%d blocks are still in flight", len(pool.flights))
	}
}

// What is kept is bounded, and what is not kept is fetched again.
func TestBoundedMemory(t *testing.T) {
	const size, blockSize, room = 8 << 20, 64 << 10, 1 << 20
	pool := newPool(t, room, blockSize)
	f := sourcetest.NewFake(blob.Bytes(size))
	s := New(f, pool)
	for range 3 {
		check(t, s, f.Identity(), 0, size)
		var kept int64
		pool.kept.blocks.IterValues(func(data []byte) bool { kept += int64(len(data)); return false })
		if kept > room || kept < room/2 {
			t.Errorf("%d bytes are kept, want up to %d", kept, room)
		}
	}
}

// Neighbours that nobody has are one request; those that somebody has are not asked for.
func TestRequests(t *testing.T) {
	const blockSize = 64 << 10
	f := sourcetest.NewFake(blob.Bytes(16 * blockSize))
	s := New(f, newPool(t, 64<<20, blockSize))
	steps := []struct {
		off, n int64
		want   []sourcetest.Request // Off and Len in blocks
	}{
		{blockSize + 1, 1, []sourcetest.Request{{Off: 1, Len: 1}}},                                     // |.X..............|
		{5*blockSize - 1, 2, []sourcetest.Request{{Off: 4, Len: 2}}},                                   // |.x..XX..........|
		{0, 8 * blockSize, []sourcetest.Request{{Off: 0, Len: 1}, {Off: 2, Len: 2}, {Off: 6, Len: 2}}}, // |XxXXxxXX........|
		{3 * blockSize, 2 * blockSize, nil},
		{7 * blockSize, 9 * blockSize, []sourcetest.Request{{Off: 8, Len: 8}}}, // |xxxxxxxxXXXXXXXX|
	}
	for i, step := range steps {
		f.Forget()
		check(t, s, f.Identity(), step.off, step.n)
		got := f.Ranges()
		if len(got) != len(step.want) {
			t.Errorf("step %d: %d requests, want %d", i, len(got), len(step.want))
			continue
		}
		for j, want := range step.want {
			if got[j].Off != want.Off*blockSize || got[j].Len != want.Len*blockSize {
				t.Errorf("step %d: asked for [%d,+%d), want block %d and %d in all", i, got[j].Off, got[j].Len, want.Off, want.Len)
			}
		}
	}
}

// A range beyond the window is fetched by windows.
func TestWindow(t *testing.T) {
	f := sourcetest.NewVirtual(blob, 20<<20)
	s := New(f, newPool(t, 64<<20, 1<<20))
	check(t, s, f.Identity(), 1, 20<<20-1)
	var most int64
	for _, r := range f.Log() {
		most = max(most, r.Len)
	}
	if most != window || f.Requests() != 3 {
		t.Errorf("%d requests of up to %d bytes", f.Requests(), most)
	}
}

// held begins a fetch of the only block that does not arrive, and joins it by another source.
func held(t *testing.T, ctx context.Context) (f *sourcetest.Fake, a, b *Source, joined chan error) {
	gate := make(chan struct{})
	f = sourcetest.NewFake(blob.Bytes(1000))
	f.Plan(sourcetest.Nth(1, sourcetest.Fault{Gate: gate}))
	pool, err := NewPool(1<<20, Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { pool.Close() })
	a, b = New(wrapper{f}, pool), New(wrapper{f}, pool)
	time.AfterFunc(time.Minute, func() { close(gate) })
	go source.ReadAll(ctx, a, f.Identity(), make([]byte, 10), 0)
	synctest.Wait()
	joined = make(chan error, 1)
	go func() {
		got := make([]byte, 1000)
		err := source.ReadAll(t.Context(), b, f.Identity(), got, 0)
		joined <- errors.Join(err, blob.Check(got, 0))
	}()
	synctest.Wait()
	return f, a, b, joined
}

// wrapper keeps the fake open when a source of it is closed.
type wrapper struct{ f *sourcetest.Fake }

func (w wrapper) URL() string { return w.f.URL() }
func (w wrapper) Identify(ctx context.Context, n int64) (source.Identity, []byte, error) {
	return w.f.Identify(ctx, n)
}
func (w wrapper) ReadRange(ctx context.Context, id source.Identity, off, n int64) (io.ReadCloser, error) {
	return w.f.ReadRange(ctx, id, off, n)
}
func (w wrapper) Close() error { return nil }

func TestFetchOutlivesItsFirstCaller(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		f, a, b, joined := held(t, ctx)
		cancel()
		if err := <-joined; err != nil {
			t.Error(err)
		}
		if f.Requests() != 1 {
			t.Errorf("%d requests", f.Requests())
		}
		a.Close()
		b.Close()
	})
}

func TestFetchEndsWithItsSource(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f, a, b, joined := held(t, t.Context())
		begin := time.Now()
		if err := a.Close(); err != nil {
			t.Error(err)
		}
		if err := <-joined; err != nil { // by a fetch of its own
			t.Error(err)
		}
		if f.Requests() != 2 || time.Since(begin) != 0 {
			t.Errorf("%d requests, after %v", f.Requests(), time.Since(begin))
		}
		if err := source.ReadAll(t.Context(), a, f.Identity(), make([]byte, 1), 0); !errors.Is(err, fs.ErrClosed) {
			t.Errorf("after Close: %v", err)
		}
		b.Close()
	})
}

// A failure is everybody's who waited for it, and is not kept.
func TestFailure(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		pool, err := NewPool(1<<20, Options{})
		if err != nil {
			t.Fatal(err)
		}
		defer pool.Close()
		f := sourcetest.NewFake(blob.Bytes(1000))
		f.Plan(sourcetest.Nth(1, sourcetest.Fault{Latency: time.Second, Err: sourcetest.Reset()}))
		var wg sync.WaitGroup
		for range 10 {
			wg.Go(func() {
				err := source.ReadAll(t.Context(), New(f, pool), f.Identity(), make([]byte, 10), 0)
				if source.KindOf(err) != source.Transient {
					t.Errorf("got %v", err)
				}
			})
		}
		wg.Wait()
		check(t, New(f, pool), f.Identity(), 0, 1000)
		if f.Requests() != 2 {
			t.Errorf("%d requests", f.Requests())
		}
	})
}

// Blocks of other versions and other blobs are others.
func TestVersions(t *testing.T) {
	pool := newPool(t, 1<<20, 4<<10)
	f := sourcetest.NewFake(blob.Bytes(1000))
	s := New(f, pool)
	old := f.Identity()
	check(t, s, old, 0, 1000)
	f.Replace(make([]byte, 1000))
	check(t, s, old, 500, 500) // from memory, and true to the version

	got := make([]byte, 1000)
	if err := source.ReadAll(t.Context(), s, f.Identity(), got, 0); err != nil {
		t.Fatal(err)
	}
	if err := (pattern.Blob{ZeroEvery: 1}).Check(got, 0); err != nil {
		t.Error(err)
	}

	other := sourcetest.NewFake(make([]byte, 1000))
	other.Rename("fake:other")
	if err := source.ReadAll(t.Context(), New(other, pool), other.Identity(), got, 0); err != nil {
		t.Fatal(err)
	}
	if other.Requests() != 1 {
		t.Error("took the block of another blob")
	}
}

func TestPoolClosedFirst(t *testing.T) {
	pool := newPool(t, 1<<20, 4<<10)
	f := sourcetest.NewFake(blob.Bytes(100_000))
	s := New(f, pool)
	pool.Close()
	pool.Close()
	check(t, s, f.Identity(), 0, 100_000)
}

func TestOptions(t *testing.T) {
	for _, tt := range []struct {
		bytes, blockSize int64
		want             string
	}{
		{1 << 20, 5000, "BlockSize is 5000"},
		{1 << 20, 2048, "BlockSize is 2048"},
		{1 << 30, 16 << 20, "BlockSize is 16777216"},
		{4096, 4096, "4096 bytes are too few"},
		{0, 0, "at least two blocks"},
	} {
		if _, err := NewPool(tt.bytes, Options{BlockSize: tt.blockSize}); err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%+v: got %v", tt, err)
		}
	}
}
