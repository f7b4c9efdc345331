package clone

import (
	"context"
	"fmt"
	"path/filepath"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"hydrant/clone/state"
	"hydrant/source/sourcetest"
)

// A region that another process is fetching is waited for, and not fetched again.
func TestReaderWaitsForAnotherProcess(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, open := gated(t, 4<<20, 2<<20, 0)
		first := r.c
		second := r.open()
		got := make(chan []byte, 2)
		read := func(c *Clone, off, n int64) {
			p := make([]byte, n)
			if _, err := c.ReadAt(context.Background(), p, off); err != nil {
				t.Error(err)
			}
			if differ(p, r.content[off:off+n]) >= 0 {
				t.Error("wrong bytes")
			}
			got <- p
		}
		go read(first, 2<<20, 60_000)
		synctest.Wait()
		go read(second, 2<<20+4096, 8192)
		time.Sleep(5 * time.Millisecond)
		synctest.Wait()
		if n := len(got); n != 0 {
			t.Fatal("the gate was no gate")
		}
		open()
		<-got
		<-got
		if n, twice := len(r.src.Ranges()), r.src.Twice(); n != 1 || twice != 0 {
			t.Errorf("%d requests, %d bytes twice", n, twice)
		}
		first.Close()
		second.Close()
	})
}

// What another process is fetching and does not come is fetched again, soon, and only the little
// that is needed.
func TestReaderDoesNotWaitLongForAnotherProcess(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, open := gated(t, 4<<20, 2<<20, 0)
		first := r.c
		second := r.open()
		done := make(chan error)
		go func() {
			_, err := first.ReadAt(context.Background(), make([]byte, 1<<20), 2<<20)
			done <- err
		}()
		synctest.Wait()
		r.src.Plan(nil)
		asked := r.src.Delivered()
		begun, alone := time.Now(), second.pace.alone()
		if got := r.read(2<<20+4096, 1000); differ(got, r.content[2<<20+4096:][:1000]) >= 0 {
			t.Error("wrong bytes")
		}
		if took := time.Since(begun); took > 2*alone {
			t.Errorf("it took %v; a request takes %v", took, alone)
		}
		extra := r.src.Delivered() - asked
		if extra > minWindow || extra != int64(r.c.head().Refetched.Load()) {
			t.Errorf("%d bytes fetched again, %d said to be", extra, r.c.head().Refetched.Load())
		}
		open()
		if err := <-done; err != nil {
			t.Error(err)
		}
		first.Close()
		second.Close()
	})
}

// Nobody waits for a process that died: neither readers nor the next one that hydrates.
func TestPostingsOfTheDeadAreIgnored(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, 1<<20, quiet, keep)
		c := r.open()
		posts, all := &c.head().Posts, c.geo.count
		fill := func(beat time.Time) {
			for i := range posts {
				posts[i].Owner.Store(uint64(4 + i%2))
				posts[i].Next.Store(0)
				posts[i].End.Store(all)
				posts[i].Beat.Store(uint64(beat.UnixNano()))
			}
		}
		fill(time.Now().Add(-state.PostLife))
		begun := time.Now()
		r.read(100_000, 1000)
		if took := time.Since(begun); took != 0 {
			t.Errorf("it waited %v for the dead", took)
		}
		if n := c.head().Refetched.Load(); n != 0 {
			t.Errorf("%d bytes are said to be fetched twice", n)
		}
		synctest.Wait() // for the rest of that flight
		c.posts.add(newFlight(span{1000, 1010}, true))
		if n := len(c.posts.mine); n != 1 {
			t.Error("the slots of the dead are not used again")
		}

		// The process that gets the hydrator's lock knows that the last one is gone.
		fill(time.Now())
		if _, ok := c.posts.at(7); !ok {
			t.Fatal("no posting is seen")
		}
		c.posts.takeOver()
		o, ok := c.posts.at(7)
		if !ok || o.owner&waitedFor == 0 {
			t.Error("what readers fetch is not taken over")
		}
		c.Close()
		c = r.open()
		if _, ok := c.posts.at(7); ok {
			t.Error("after an exclusive attach there are postings")
		}
		c.Close()
	})
}

// A process that was stopped while it fetched delays a reader of that range by little, and those of
// others not at all.
func TestPostingOfAStoppedProcess(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, 1<<20, quiet, keep)
		stopped, other := r.open(), r.open()
		f, fresh := stopped.flights.join(span{400, 800}, 400, false, stopped.coldAround)
		if !fresh || !stopped.post(f) {
			t.Fatal("not posted")
		}
		begun, alone := time.Now(), other.pace.alone()
		r.read(1000*512, 10_000)
		if took := time.Since(begun); took != 0 {
			t.Errorf("a reader of another range waited %v", took)
		}
		r.read(500*512, 10_000)
		if took := time.Since(begun); took > 2*alone {
			t.Errorf("it took %v", took)
		}
		r.expect(r.content)
		f.post.release()
		stopped.flights.remove(f)
		stopped.Close()
		other.Close()
	})
}

// Processes that miss the same regions at the same time fetch each once between them.
func TestProcessesFetchOnceBetweenThem(t *testing.T) {
	if state.BootID() == [16]byte{} {
		t.Skip("one process at a time here")
	}
	for _, background := range []bool{false, true} {
		t.Run(fmt.Sprintf("background=%v", background), func(t *testing.T) {
			const size, procs = 8<<20 + 77, 6
			o := newOracle(size, 1)
			f := &family{t: t, path: filepath.Join(t.TempDir(), "blob"), src: sourcetest.NewVirtual(o.blob, size)}
			// Long enough that all of them find each region cold.
			f.src.Plan(sourcetest.Always(sourcetest.Fault{Latency: 3 * time.Millisecond}))
			f.opts.NoBackground = !background
			f.opts.Knobs.Batch = knob(int64(256 << 10))
			f.opts.Knobs.Bandwidth = knob(int64(64 << 20))
			keep(&f.opts)
			var all sync.WaitGroup
			for i := range procs {
				c := f.open()
				all.Go(func() {
					p := make([]byte, 128<<10)
					for n := int64(0); n < size; n += int64(len(p)) {
						off := n
						if i%2 == 1 { // from the other end
							off = max(size-n-int64(len(p)), 0)
						}
						m, err := c.ReadAt(context.Background(), p, off)
						if int64(m) < min(int64(len(p)), size-off) {
							t.Errorf("read at %d: %d, %v", off, m, err)
						}
						if err := o.blob.Check(p[:m], off); err != nil {
							t.Error(err)
						}
					}
				})
			}
			all.Wait()
			c := f.open()
			again := int64(c.head().Refetched.Load())
			t.Logf("%d requests, %d bytes, %d twice, %d on purpose", len(f.src.Ranges()), f.src.Delivered(), f.src.Twice(), again)
			if got := f.src.Delivered(); got > size+again {
				t.Errorf("%d bytes fetched, want %d and %d that were fetched again on purpose", got, size, again)
			}
			if again > size/4 {
				t.Errorf("%d bytes fetched again", again)
			}
		})
	}
}

// Two that looked at the same moment and saw nothing see each other when both have posted.
func TestWhoMeetsAnotherPostingWithdraws(t *testing.T) {
	r := newRig(t, 1<<20, quiet, keep)
	a, b := r.open(), r.open()
	one, two := newFlight(span{400, 500}, true), newFlight(span{499, 600}, true)
	if !a.post(one) {
		t.Fatal("the first met somebody")
	}
	if b.post(two) {
		t.Error("the second did not look")
	}
	if _, ok := a.posts.at(550); ok {
		t.Error("its posting is still there")
	}
	one.post.release()
	if !b.post(two) {
		t.Error("what was released is still in the way")
	}
	two.post.release()
	a.Close()
	b.Close()
}
