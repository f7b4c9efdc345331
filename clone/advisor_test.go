package clone

import (
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"hydrant/source/sourcetest"
)

// adviser is an Advisor that says what it was told to say, and notes what it is shown.
type adviser struct {
	t      testing.TB
	want   []byte               // the blob as it is
	seen   map[int64][]Range    // what it says of the region at an offset
	missed func(m Miss) []Range // nil: nothing
	last   []Range
	mu     sync.Mutex    // guards the rest
	shown  map[int64]int // how often, by the region's offset
	misses []string
}

const adviserRegion = 4096

func (a *adviser) Seen(p []byte, off int64) (ranges []Range) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if off%adviserRegion != 0 || differ(p, a.want[off:off+int64(len(p))]) >= 0 {
		a.t.Errorf("shown %d bytes at %d, which are not those", len(p), off)
	}
	for at := off; at < off+int64(len(p)); at += adviserRegion {
		a.shown[at]++
		ranges = append(ranges, a.seen[at]...)
	}
	return ranges
}

func (a *adviser) Missed(m Miss) []Range {
	a.mu.Lock()
	defer a.mu.Unlock()
	if m.Local(m.Off) {
		a.t.Errorf("missed %d, which is local", m.Off)
	}
	a.misses = append(a.misses, fmt.Sprint(m.Off>>10))
	if a.missed != nil {
		return a.missed(m)
	}
	return nil
}

func (a *adviser) Last() []Range { return a.last }

// times is how often the region at off was shown.
func (a *adviser) times(off int64) int {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.shown[off]
}

func newAdvised(t testing.TB, size int64, change ...func(*Options)) (*rig, *adviser) {
	r := newRig(t, size, append(change, keep)...)
	r.opts.RegionSize = adviserRegion
	a := &adviser{t: t, want: slices.Clone(r.content), seen: map[int64][]Range{}, shown: map[int64]int{}}
	r.opts.Advisor = a
	return r, a
}

// What the advisor says of bytes that come is fetched, and what he says of these in turn.
func TestAdvisorIsShownWhatComes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, a := newAdvised(t, 32<<20, quiet)
		a.seen[0] = []Range{{10 << 20, 4096}}
		a.seen[10<<20] = []Range{{20 << 20, 4096}, {25 << 20, 4096}}
		r.open()
		synctest.Wait()
		if got, want := requested(r.src), []string{"10240+4", "20480+4", "25600+4"}; !slices.Equal(got, want) {
			t.Errorf("asked for %v, want %v", got, want)
		}
		for _, off := range []int64{0, 10 << 20, 20 << 20, 25 << 20} {
			if n := a.times(off); n != 1 {
				t.Errorf("%d was shown %d times", off, n)
			}
		}
		r.c.Close()
	})
}

// Where the reader will want more than he has asked for, his own request goes on, and he is not sent
// away from it to ask for a part.
func TestMissIsAskedForWithWhatFollows(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, a := newAdvised(t, 32<<20, quiet)
		a.missed = func(m Miss) []Range { return []Range{{m.Off, 4<<20 - m.Off%(4<<20)}, {20 << 20, 8 << 20}} }
		r.open()
		r.src.Plan(sourcetest.Always(sourcetest.Fault{Latency: 30 * time.Millisecond, Chunk: 64 << 10, Pause: time.Millisecond}))
		for off := int64(4 << 20); off < 8<<20; off += adviserRegion {
			r.read(off, adviserRegion)
		}
		r.c.Prefetch([]Range{{12 << 20, 4 << 20}})
		synctest.Wait()
		r.read(14<<20, adviserRegion) // he wants the rest of it as well
		if got, want := requested(r.src), []string{"4096+4096", "12288+4096", "20480+4096", "24576+4096"}; !slices.Equal(got, want) {
			t.Errorf("asked for %v, want %v", got, want)
		}
		r.c.Close()
	})
}

// What comes together is asked for together, also when the reader begins in the middle of it; what is
// larger than that, only from there on.
func TestMissIsAskedForAsAWhole(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, a := newAdvised(t, 32<<20, quiet)
		a.missed = func(m Miss) []Range {
			if m.Off < 16<<20 {
				return []Range{{m.Off / wholeFetch * wholeFetch, wholeFetch}}
			}
			return []Range{{m.Off / (2 * wholeFetch) * 2 * wholeFetch, 2 * wholeFetch}}
		}
		r.open()
		r.read(4<<20+500<<10, adviserRegion)
		if got, want := requested(r.src), []string{"4096+1024"}; !slices.Equal(got, want) {
			t.Errorf("asked for %v, want %v", got, want)
		}
		r.src.Forget()
		r.read(20<<20+512<<10, adviserRegion)
		synctest.Wait()
		if got, want := requested(r.src), []string{"20480+512", "20992+1536"}; !slices.Equal(got, want) {
			t.Errorf("asked for %v, want %v", got, want)
		}
		r.c.Close()
	})
}

// What was local before this process came is shown when the advisor asks for it, once, as it is now;
// what is cold is fetched.
func TestAdvisorIsShownWhatIsThere(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, a := newAdvised(t, 32<<20, quiet)
		r.open()
		r.read(10<<20, 4096)
		r.write([]byte("new"), 20<<20)
		copy(a.want[20<<20:], "new")
		r.c.Close()
		r.src.Forget()
		clear(a.shown)
		a.seen[0] = []Range{{10 << 20, 4096}, {10 << 20, 4096}}
		a.seen[10<<20] = []Range{{20 << 20, 4096}, {30 << 20, 4096}}
		r.open()
		synctest.Wait()
		for _, off := range []int64{0, 10 << 20, 20 << 20, 30 << 20} {
			if n := a.times(off); n != 1 {
				t.Errorf("%d was shown %d times", off, n)
			}
		}
		if got, want := requested(r.src), []string{"30720+4"}; !slices.Equal(got, want) {
			t.Errorf("asked for %v, want %v", got, want)
		}
		if n := a.times(1 << 20); n != 0 {
			t.Error("what is cold was shown")
		}
		r.c.Close()
	})
}

// An advisor who is always wrong costs bytes and no answer, and none is fetched twice.
func TestBadAdvice(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		rnd := newRand(5)
		r, a := newAdvised(t, 8<<20)
		a.missed = func(Miss) (all []Range) {
			for range 20 {
				all = append(all, Range{rnd.Int64() - rnd.Int64(), rnd.Int64()}, Range{rnd.Int64N(9 << 20), rnd.Int64N(1 << 20)})
			}
			return all
		}
		for off := int64(0); off < 8<<20; off += 32 << 10 {
			a.seen[off] = []Range{{off, 1}, {8<<20 - off, 1 << 40}, {rnd.Int64N(8 << 20), rnd.Int64N(1 << 20)}}
		}
		r.src.Plan(sourcetest.Always(sourcetest.Fault{Latency: time.Millisecond, Chunk: 64 << 10, Pause: time.Millisecond}))
		r.open()
		for range 100 {
			off := rnd.Int64N(8<<20 - 5000)
			if got := r.read(off, 5000); differ(got, r.content[off:off+5000]) >= 0 {
				t.Fatal("wrong bytes")
			}
		}
		r.wait()
		r.expect(r.content)
		refetched := int64(r.c.head().Refetched.Load())
		if n := r.src.Twice(); n > refetched {
			t.Errorf("%d bytes twice, %d of them on purpose", n, refetched)
		}
		r.c.Close()
	})
}

// The background begins more for as long as readers fare well, and fewer when they do not, but never
// none.
func TestPoliteness(t *testing.T) {
	p, polite := newPace(), politeness{level: shyConnections}
	reader := func(d time.Duration) int {
		p.fetched(true, 4096, d)
		polite.look(p, 24)
		return polite.level
	}
	polite.look(p, 24)
	if polite.level != shyConnections {
		t.Errorf("%d at first", polite.level)
	}
	for i := range 10 {
		if got, want := reader(30*time.Millisecond), shyConnections+i+1; got != want {
			t.Errorf("reader %d fared well: %d connections, want %d", i, got, want)
		}
	}
	polite.look(p, 24) // and by itself nothing changes
	for range 10 {
		reader(300 * time.Millisecond)
	}
	if polite.level != floorConnections {
		t.Errorf("readers wait, and there are %d connections", polite.level)
	}
	for range 30 {
		reader(30 * time.Millisecond)
	}
	if polite.level != 24 {
		t.Errorf("readers do not wait any more, and there are %d connections", polite.level)
	}
}

// What is asked for around a miss grows with what comes in a round trip, between bounds.
func TestWindowFollowsTheLine(t *testing.T) {
	for _, c := range []struct {
		latency time.Duration
		rate    float64
		want    int64
	}{
		{time.Millisecond, 60e6, 64 << 10},
		{30 * time.Millisecond, 60e6, 64 << 10},
		{30 * time.Millisecond, 80e6, 128 << 10},
		{100 * time.Millisecond, 60e6, 256 << 10},
		{time.Second, 1e9, 256 << 10},
		{100 * time.Millisecond, 1e6, 64 << 10},
		{0, 0, 64 << 10},
	} {
		p := newPace()
		p.latency, p.rate = c.latency, c.rate
		if got := p.window(); got != c.want {
			t.Errorf("%v, %.0f bytes/s: %d, want %d", c.latency, c.rate, got, c.want)
		}
	}
}

// What nobody will read is fetched last, and all the same: complete means all.
func TestLastIsFetchedLast(t *testing.T) {
	for name, last := range map[string][]Range{
		"some":          {{3 << 20, 2 << 20}, {9<<20 + 1, 3 << 20}},
		"in disorder":   {{9 << 20, 1 << 20}, {3 << 20, 1 << 20}, {9 << 20, 1 << 20}, {-5, 10}, {40 << 20, 1}, {5, 0}},
		"the beginning": {{0, 8 << 20}},
		"the end":       {{8 << 20, 1 << 40}},
		"everything":    {{-1 << 40, 1 << 62}, {0, 1 << 40}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r, a := newAdvised(t, 16<<20)
				a.last = last
				batch, connections := int64(1<<20), 1
				r.opts.Knobs.Batch, r.opts.Knobs.Connections = &batch, &connections
				r.src.Plan(sourcetest.Always(sourcetest.Fault{Latency: time.Millisecond}))
				r.open()
				spans := r.c.fetchedLast()
				r.wait()
				late := false
				for _, q := range r.src.Log()[1:] {
					s := r.c.geo.touched(q.Off, q.Len)
					is := slices.ContainsFunc(spans, s.overlaps)
					if late && !is {
						t.Errorf("%d+%d came behind what was to come last", q.Off, q.Len)
					}
					late = late || is
				}
				if !late && len(spans) > 0 {
					t.Error("nothing came last")
				}
				if n := r.src.Twice(); n != 0 {
					t.Errorf("%d bytes twice", n)
				}
				r.expect(r.content)
				r.c.Close()
			})
		})
	}
}
