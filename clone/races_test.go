package clone

import (
	"bytes"
	"context"
	"math/rand/v2"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"hydrant/internal/pattern"
	"hydrant/source/sourcetest"
)

// inFlight begins to hydrate [off, off+n), which stays in flight until open is called. done is
// closed when it has come down.
func (r *rig) inFlight(off, n int64) (open func(), done chan struct{}) {
	r.t.Helper()
	gate := make(chan struct{})
	r.src.Plan(sourcetest.Covering(off, sourcetest.Fault{Gate: gate}))
	done = make(chan struct{})
	go func() {
		defer close(done)
		if err := r.c.Hydrate(context.Background(), off, n); err != nil {
			r.t.Error(err)
		}
	}()
	synctest.Wait()
	if now, _ := r.src.InFlight(); now == 0 {
		r.t.Fatal("nothing is in flight")
	}
	r.src.Plan(nil)
	return func() { close(gate) }, done
}

// Whatever is done to a cold region while a copy of it is on its way stands when that arrives. In
// dm-clone's first version a discard did not.
func TestChangeStandsAgainstACopyInFlight(t *testing.T) {
	const at = 1 << 20
	ctx := context.Background()
	for name, change := range map[string]func(r *rig, want []byte) []byte{
		"whole regions": func(r *rig, want []byte) []byte {
			p := bytes.Repeat([]byte("w"), 2048)
			r.write(p, at+1024)
			copy(want[at+1024:], p)
			return want
		},
		"all of it": func(r *rig, want []byte) []byte {
			p := bytes.Repeat([]byte("w"), 64<<10)
			r.write(p, at)
			copy(want[at:], p)
			return want
		},
		"discard": func(r *rig, want []byte) []byte {
			if err := r.c.Discard(ctx, at+512, 3000); err != nil {
				r.t.Error(err)
			}
			clear(want[at+512 : at+512+2560])
			return want
		},
		"discard, then write a part": func(r *rig, want []byte) []byte {
			if err := r.c.Discard(ctx, at, 4096); err != nil {
				r.t.Error(err)
			}
			clear(want[at : at+4096])
			r.write([]byte("part"), at+700)
			copy(want[at+700:], "part")
			return want
		},
		"cut": func(r *rig, want []byte) []byte {
			if err := r.c.Truncate(ctx, at+2048); err != nil {
				r.t.Error(err)
			}
			return want[:at+2048]
		},
		"cut and grow": func(r *rig, want []byte) []byte {
			for _, size := range []int64{at + 1024, 2 << 20} {
				if err := r.c.Truncate(ctx, size); err != nil {
					r.t.Error(err)
				}
			}
			clear(want[at+1024:])
			return want
		},
		"cut whole regions before": func(r *rig, want []byte) []byte {
			if err := r.c.Truncate(ctx, at-512); err != nil {
				r.t.Error(err)
			}
			return want[:at-512]
		},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t, 2<<20, quiet, keep)
				r.open()
				want := bytes.Clone(r.content)
				open, done := r.inFlight(at, 64<<10)
				changed := make(chan struct{})
				go func() {
					defer close(changed)
					want = change(r, want)
				}()
				synctest.Wait() // those that need the bytes wait for them, the others are done
				open()
				<-changed
				<-done
				r.expect(want)
				kill(r.c)
				r.open()
				r.expect(want)
				if n := r.src.Twice(); uint64(n) > r.c.head().Refetched.Load() {
					t.Errorf("%d bytes fetched twice", n)
				}
				r.c.Close()
			})
		})
	}
}

// The copy looks again once it has its claim: a writer may have had that until then (I9).
func TestCopyLooksAgainUnderItsClaim(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const at = 1 << 20
		r := newRig(t, 2<<20, quiet, keep)
		r.open()
		open, done := r.inFlight(at, 64<<10)
		s := span{at/512 + 3, at/512 + 5}
		release, err := r.c.claims.acquire(context.Background(), s)
		if err != nil {
			t.Fatal(err)
		}
		open()
		synctest.Wait() // the copy has its bytes and waits for the claim
		p := fill('w', 1024)
		if _, err := r.c.writeGuarded(p, at+3*512); err != nil {
			t.Fatal(err)
		}
		r.c.markWritten(s)
		r.c.publish(s)
		release()
		<-done
		want := bytes.Clone(r.content)
		copy(want[at+3*512:], p)
		r.expect(want)
		r.c.Close()
	})
}

// A write to a part of a region that is on its way waits for it, and is laid over it.
func TestPartialWriteWaitsForTheCopyInFlight(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, 2<<20, quiet, keep)
		r.open()
		open, done := r.inFlight(1<<20, 64<<10)
		written := make(chan struct{})
		go func() { defer close(written); r.write([]byte("part"), 1<<20+700) }()
		synctest.Wait()
		select {
		case <-written:
			t.Fatal("written before the rest of the region was there")
		default:
		}
		open()
		<-written
		<-done
		want := bytes.Clone(r.content)
		copy(want[1<<20+700:], "part")
		r.expect(want)
		r.c.Close()
	})
}

// Who writes whole cold regions waits for whoever has the claim on one of them.
func TestWriteWaitsForAClaim(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, 200_000, quiet, keep)
		r.open()
		release, err := r.c.claims.acquire(t.Context(), span{201, 202})
		if err != nil {
			t.Fatal(err)
		}
		done := make(chan bool)
		go func() { defer close(done); r.write(fill('w', 1024), 200*512) }()
		time.Sleep(time.Second)
		select {
		case <-done:
			t.Error("it was written under the claim of another")
		default:
		}
		release()
		<-done
		want := bytes.Clone(r.content)
		copy(want[200*512:], fill('w', 1024))
		r.expect(want)
		r.c.Close()
	})
}

// Two writers of one region: each byte is of the one or of the other, and none is the source's.
func TestTwoWritersOfOneColdRegion(t *testing.T) {
	for range 50 {
		r := newRig(t, 200_000, quiet, keep)
		r.open()
		var both sync.WaitGroup
		for _, b := range []string{"a", "b"} {
			both.Go(func() { r.write(bytes.Repeat([]byte(b), 512), 100*1024) })
			both.Go(func() { r.write(bytes.Repeat([]byte(b), 300), 110*1024+100) })
		}
		both.Wait()
		for i, b := range r.read(100*1024, 512) {
			if b != 'a' && b != 'b' {
				t.Fatalf("byte %d is %q", i, b)
			}
		}
		got := r.read(110*1024, 512)
		if differ(got[:100], r.content[110*1024:][:100]) >= 0 || differ(got[400:], r.content[110*1024+400:][:112]) >= 0 {
			t.Fatal("what nobody wrote has changed")
		}
		r.c.Close()
	}
}

// Zeros of the source are put over what dest holds, whatever a write that a crash undid left there
// (I1, I2).
func TestZerosOfTheSourceCoverStaleBytes(t *testing.T) {
	for _, region := range []int64{512, 4096, 128 << 10} {
		content := pattern.Blob{Seed: 5, ZeroEvery: 2, ZeroRun: 72 << 10}.Bytes(1<<20 + 300)
		r := newRig(t, int64(len(content)), keep)
		r.opts.RegionSize = region
		r.content, r.src = content, sourcetest.NewFake(content)
		quiet(&r.opts)
		r.open()
		kill(r.c)
		d, err := r.dst.Open()
		if err != nil {
			t.Fatal(err)
		}
		if _, err := d.WriteAt(bytes.Repeat([]byte("stale"), 200_000), 70_000+512); err != nil {
			t.Fatal(err)
		}
		d.Truncate(int64(len(content)))
		d.Close()
		r.store.Mount++ // power was lost: what was local past the head is not known to be
		r.open()
		r.expect(content)
		r.c.Close()
		if i := differ(r.image(), content); i >= 0 {
			t.Errorf("regions of %d: dest differs at byte %d", region, i)
		}
	}
}

// No byte is fetched twice by readers and background together (I8), except where a reader's own
// request was the quicker one, and those are counted.
func TestNothingIsFetchedTwice(t *testing.T) {
	for _, background := range []bool{false, true} {
		r := newRig(t, 8<<20, keep)
		small := int64(256 << 10)
		r.opts.Knobs.Batch = &small
		if !background {
			quiet(&r.opts)
		}
		r.open()
		var readers sync.WaitGroup
		for i := range 16 {
			readers.Go(func() {
				rng := rand.New(rand.NewPCG(uint64(i), 1))
				for range 200 {
					n := 1 + rng.Int64N(20_000)
					off := rng.Int64N(8<<20 - n)
					p := make([]byte, n)
					if _, err := r.c.ReadAt(context.Background(), p, off); err != nil {
						t.Error(err)
						return
					}
					if i := differ(p, r.content[off:off+n]); i >= 0 {
						t.Errorf("byte %d differs", off+int64(i))
						return
					}
				}
			})
		}
		readers.Wait()
		r.hydrateAll()
		twice, allowed := r.src.Twice(), r.c.head().Refetched.Load()
		if !background {
			allowed = 0
		}
		if uint64(twice) > allowed {
			t.Errorf("background %v: %d bytes fetched twice, %d of them on purpose", background, twice, allowed)
		}
		s := r.c.Status()
		if got := uint64(r.src.Delivered()) + headBytes; s.BytesFetched != got {
			t.Errorf("background %v: status counts %d bytes, the source %d", background, s.BytesFetched, got)
		}
		if s.Requests != uint64(r.src.Requests()) {
			t.Errorf("background %v: status counts %d requests, the source %d", background, s.Requests, r.src.Requests())
		}
		r.c.Close()
	}
}

// All small sizes, written to and beyond in every way, around the guard and the end.
func TestSmallSizes(t *testing.T) {
	ctx := context.Background()
	for size := int64(0); size <= 17; size++ {
		for off := int64(0); off <= size+2; off++ {
			for _, n := range []int64{1, 2, 16, 17} {
				r := newRig(t, size, quiet, keep)
				r.open()
				want := bytes.Clone(r.content)
				p := bytes.Repeat([]byte("w"), int(n))
				r.write(p, off)
				if end := off + n; end > int64(len(want)) {
					want = append(want, make([]byte, end-int64(len(want)))...)
				}
				copy(want[off:], p)
				r.expect(want)
				kill(r.c)
				r.open()
				r.expect(want)
				if err := r.c.Truncate(ctx, off); err != nil {
					t.Fatal(err)
				}
				r.expect(want[:off])
				if err := r.c.Sync(ctx); err != nil {
					t.Fatal(err)
				}
				r.store.Mount++
				if err := r.c.Close(); err != nil {
					t.Fatal(err)
				}
				if differ(r.image(), want[:off]) >= 0 {
					t.Fatalf("size %d, write %d at %d: dest is %q", size, n, off, r.image())
				}
			}
		}
	}
}
