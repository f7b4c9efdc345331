package clone

import (
	"bytes"
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"testing"

	"pgregory.net/rapid"

	"hydrant/clone/state"
	"hydrant/internal/crashdest"
	"hydrant/internal/pattern"
	"hydrant/source"
	"hydrant/source/sourcetest"
)

// model is what a clone has to behave like: a plain array of bytes, and what of its past a power
// loss may bring back.
//
//   - a read returns cur;
//   - after kill -9 the clone reads as cur (I5);
//   - after power loss each byte is one that stood there at the last sync or since (I1, I2, I3),
//     and the size between the sizes since;
//   - whole, dest is cur (I7), and nothing was fetched twice (I8).
type model struct {
	cur   []byte
	past  [][]byte // since and including the last sync
	maybe []byte   // what it was before a change that failed, or was cut off, somewhere
}

// isNow tells whether got is what a read returns: cur, or where a change was cut off, byte by byte,
// what was before.
func (m *model) isNow(got []byte) (int, bool) {
	if m.maybe == nil {
		i := differ(got, m.cur)
		return i, i < 0
	}
	if n := len(got); n < min(len(m.cur), len(m.maybe)) || n > max(len(m.cur), len(m.maybe)) {
		return n, false
	}
	for i, b := range got {
		if (i >= len(m.cur) || m.cur[i] != b) && (i >= len(m.maybe) || m.maybe[i] != b) && (b != 0 || i < min(len(m.cur), len(m.maybe))) {
			return i, false
		}
	}
	return 0, true
}

func (m *model) synced()  { m.past = [][]byte{bytes.Clone(m.cur)} }
func (m *model) changed() { m.past = append(m.past, bytes.Clone(m.cur)) }

// allows tells whether got may be what a power loss left.
func (m *model) allows(got []byte) (int, bool) {
	least, most := len(m.past[0]), 0
	for _, p := range m.past {
		least, most = min(least, len(p)), max(most, len(p))
	}
	if len(got) < least || len(got) > most {
		return len(got), false
	}
	for i, b := range got {
		ok := false
		for _, p := range m.past {
			// past a shorter state's end there is nothing, or the zeros of growing again
			ok = ok || i < len(p) && p[i] == b || i >= len(p) && b == 0
		}
		if !ok {
			return i, false
		}
	}
	return 0, true
}

// machine drives a clone and its model.
type machine struct {
	t     *rapid.T
	m     model
	src   *sourcetest.Fake
	disk  *crashdest.Disk
	store *state.MemoryStore
	opts  Options
	c     *Clone
	lives int
}

func (s *machine) open() {
	c, err := Open(context.Background(), unclosed{s.src}, s.disk, s.store, &s.opts)
	if errors.Is(err, ErrPlain) && s.store.Image() == nil {
		s.c = nil // complete and detached: the end
		return
	}
	if err != nil {
		s.t.Fatalf("open: %v", err)
	}
	s.c = c
	s.lives++
}

func (s *machine) all() []byte {
	b := make([]byte, 64<<10) // more than any draw makes of it
	n, err := s.c.ReadAt(context.Background(), b, 0)
	if err != io.EOF {
		s.t.Fatalf("read all: %v", err)
	}
	return b[:n]
}

func (s *machine) check() {
	if s.c == nil {
		if got := s.disk.Image(); differ(got, s.m.cur) >= 0 {
			s.t.Fatalf("plain dest differs at byte %d of %d (want %d bytes)", differ(got, s.m.cur), len(got), len(s.m.cur))
		}
		return
	}
	if img := s.disk.Image(); s.c.phase() == state.Live && len(img) >= 16 && !state.IsGuard(img) {
		s.t.Fatalf("no guard on disk")
	}
}

func TestModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		size := rapid.Int64Range(0, 9000).Draw(t, "size")
		content := pattern.Blob{Seed: 3}.Bytes(size)
		// zeros in the source too
		if size > 2000 && rapid.Bool().Draw(t, "zeros") {
			clear(content[size/4 : size/2])
		}
		s := &machine{t: t, src: sourcetest.NewFake(content), disk: &crashdest.Disk{}, store: &state.MemoryStore{}}
		s.m.cur = bytes.Clone(content)
		s.m.synced()
		s.opts.RegionSize = int64(512) << rapid.IntRange(0, 3).Draw(t, "region")
		if rapid.Bool().Draw(t, "quiet") {
			quiet(&s.opts)
		}
		s.open()
		defer func() {
			if s.c != nil {
				s.c.Close()
			}
		}()
		ctx := context.Background()
		offset := func() int64 { return rapid.Int64Range(0, int64(len(s.m.cur))+700).Draw(t, "off") }
		alive := func(f func()) func(*rapid.T) {
			return func(t *rapid.T) {
				if s.c != nil { // else detached: nothing is left to try
					f()
				}
			}
		}
		t.Repeat(map[string]func(*rapid.T){
			"": func(*rapid.T) { s.check() },
			"read": alive(func() {
				off, n := offset(), rapid.IntRange(0, 5000).Draw(t, "n")
				p := make([]byte, n)
				got, err := s.c.ReadAt(ctx, p, off)
				want := s.m.cur[min(off, int64(len(s.m.cur))):]
				want = want[:min(len(want), n)]
				if err != nil && (err != io.EOF || got == n) {
					t.Fatalf("read %d at %d: %v", n, off, err)
				}
				if i := differ(p[:got], want); i >= 0 {
					t.Fatalf("read %d at %d: differs at %d (%d bytes, want %d)", n, off, i, got, len(want))
				}
			}),
			"write": alive(func() {
				off := offset()
				p := bytes.Repeat([]byte{byte(rapid.IntRange(1, 255).Draw(t, "b"))}, rapid.IntRange(1, 3000).Draw(t, "n"))
				if rapid.Bool().Draw(t, "whole") {
					off = off / s.opts.RegionSize * s.opts.RegionSize
				}
				if n, err := s.c.WriteAt(ctx, p, off); err != nil || n != len(p) {
					t.Fatalf("write: %d, %v", n, err)
				}
				if end := off + int64(len(p)); end > int64(len(s.m.cur)) {
					s.m.cur = append(s.m.cur, make([]byte, end-int64(len(s.m.cur)))...)
				}
				copy(s.m.cur[off:], p)
				s.m.changed()
			}),
			"truncate": alive(func() {
				to := offset()
				if err := s.c.Truncate(ctx, to); err != nil {
					t.Fatalf("truncate: %v", err)
				}
				if to < state.FirstBytes && len(s.m.cur) > state.FirstBytes {
					// It goes by way of a file that is just as long as the guard.
					s.m.past = append(s.m.past, bytes.Clone(s.m.cur[:state.FirstBytes]))
				}
				if to <= int64(len(s.m.cur)) {
					s.m.cur = s.m.cur[:to:to]
				} else {
					s.m.cur = append(s.m.cur, make([]byte, to-int64(len(s.m.cur)))...)
				}
				s.m.changed()
			}),
			"discard": alive(func() {
				off, n := offset(), rapid.Int64Range(0, 4000).Draw(t, "n")
				if err := s.c.Discard(ctx, off, n); err != nil {
					t.Fatalf("discard: %v", err)
				}
				rs, end := s.opts.RegionSize, int64(len(s.m.cur))
				lo, hi := (off+rs-1)/rs*rs, min(off+n, end)/rs*rs
				if off+n >= end && end <= size {
					hi = end
				}
				if lo < hi {
					clear(s.m.cur[lo:hi])
				}
				s.m.changed()
			}),
			"sync": alive(func() {
				if err := s.c.Sync(ctx); err != nil {
					t.Fatalf("sync: %v", err)
				}
				s.m.synced()
			}),
			"hydrate": alive(func() {
				if err := s.c.Hydrate(ctx, offset(), 3000); err != nil {
					t.Fatalf("hydrate: %v", err)
				}
			}),
			"tune": alive(func() {
				on := rapid.Bool().Draw(t, "on")
				if err := s.c.Tune(Knobs{Hydration: &on}); err != nil {
					t.Fatal(err)
				}
			}),
			"kill": alive(func() {
				kill(s.c)
				s.open()
				if s.c != nil {
					if i := differ(s.all(), s.m.cur); i >= 0 {
						t.Fatalf("after kill: differs at byte %d", i)
					}
				}
			}),
			"power": alive(func() {
				kill(s.c)
				s.disk = s.disk.Crash(rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 1)))
				s.store.Mount++
				s.open()
				got := s.disk.Image()
				if s.c != nil {
					got = s.all()
				}
				if i, ok := s.m.allows(got); !ok {
					t.Fatalf("after power loss: byte %d of %d cannot be", i, len(got))
				}
				s.m.cur = bytes.Clone(got)
				s.m.synced() // attach syncs nothing, but what is read now was on the disk
			}),
			"close": alive(func() {
				if err := s.c.Close(); err != nil {
					t.Fatalf("close: %v", err)
				}
				s.m.synced()
				s.open()
			}),
			"reset": alive(func() {
				s.src.Plan(sourcetest.First(1, sourcetest.Fault{Err: sourcetest.Reset(), After: 700}))
				s.src.Forget()
			}),
			"finish": alive(func() {
				on := true
				if err := s.c.Tune(Knobs{Hydration: &on}); err != nil {
					t.Fatal(err)
				}
				if err := s.c.Hydrate(ctx, 0, size); err != nil {
					t.Fatal(err)
				}
				if err := s.c.Wait(ctx); err != nil {
					t.Fatal(err)
				}
			}),
		})
	})
}

// The same with a source that fails for good in the middle: what is local goes on.
func TestStalledServesWhatIsLocal(t *testing.T) {
	r := newRig(t, 1<<20, quiet)
	r.open()
	r.read(0, 1000)
	r.src.Replace(pattern.Blob{Seed: 8}.Bytes(1 << 20))
	_, err := r.c.ReadAt(context.Background(), make([]byte, 100), 600<<10)
	if !errors.Is(err, source.ErrChanged) || !errors.Is(err, ErrStalled) {
		t.Fatalf("cold read of a changed source: %v", err)
	}
	if got := r.read(0, 1000); differ(got, r.content[:1000]) >= 0 {
		t.Fatal("local bytes changed")
	}
	r.write(bytes.Repeat([]byte("x"), 512), 700<<10&^511)
	if err := r.c.Wait(context.Background()); !errors.Is(err, ErrStalled) {
		t.Fatalf("wait: %v", err)
	}
	if s := r.c.Status(); s.State != StateStalled || s.Error == "" {
		t.Fatalf("status: %+v", s)
	}
}
