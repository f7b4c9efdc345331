package clone

import (
	"fmt"
	"math"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"hydrant/clone/state"
	"hydrant/source/sourcetest"
)

// requested is what a source was asked for, in order of offset, as "offset+length" in KiB.
func requested(src *sourcetest.Fake) []string {
	var all []string
	for _, q := range src.Ranges() {
		all = append(all, fmt.Sprintf("%d+%d", q.Off>>10, q.Len>>10))
	}
	return all
}

func TestPrefetch(t *testing.T) {
	const k = 1 << 10
	for name, test := range map[string]struct {
		local  []Range // before
		ranges []Range
		want   []string
	}{
		"one":             {nil, []Range{{1 << 20, 4 * k}}, []string{"1024+4"}},
		"by the region":   {nil, []Range{{1<<20 + 5, 1}}, []string{"1024+4"}},
		"neighbours":      {nil, []Range{{1 << 20, 4 * k}, {1<<20 + 4*k, 8 * k}}, []string{"1024+12"}},
		"near":            {nil, []Range{{1 << 20, 4 * k}, {1<<20 + 60*k, 4 * k}}, []string{"1024+64"}},
		"near, backwards": {nil, []Range{{1<<20 + 60*k, 4 * k}, {1 << 20, 4 * k}}, []string{"1024+64"}},
		"not near":        {nil, []Range{{1 << 20, 4 * k}, {1<<20 + 72*k, 4 * k}}, []string{"1024+4", "1096+4"}},
		"near, and so on": {nil, []Range{{1 << 20, 4 * k}, {1<<20 + 40*k, 4 * k}, {1<<20 + 80*k, 4 * k}}, []string{"1024+44", "1104+4"}},
		"the same":        {nil, []Range{{1 << 20, 4 * k}, {2 << 20, 4 * k}, {1 << 20, 4 * k}}, []string{"1024+4", "2048+4"}},
		"overlapping":     {nil, []Range{{1 << 20, 40 * k}, {1<<20 + 20*k, 40 * k}}, []string{"1024+60"}},
		"local":           {[]Range{{2 << 20, 64 * k}}, []Range{{2<<20 + 4*k, 4 * k}}, []string{"2048+64"}},
		"partly local":    {[]Range{{2 << 20, 64 * k}}, []Range{{2<<20 - 4*k, 128 * k}}, []string{"2044+4", "2048+64", "2112+60"}},
		"large":           {nil, []Range{{4 << 20, 24 << 20}}, []string{"4096+4096", "8192+8192", "16384+8192", "24576+4096"}},
		"nothing":         {nil, []Range{{1 << 20, 0}, {1 << 20, -5}, {2 << 20, math.MinInt64}}, nil},
		"outside":         {nil, []Range{{32 << 20, 1}, {math.MaxInt64, math.MaxInt64}, {-10, 10}, {math.MinInt64, math.MaxInt64}}, nil},
		"partly outside":  {nil, []Range{{32<<20 - 4*k, math.MaxInt64}, {-10, 70 * k}}, []string{"64+8", "32764+4"}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t, 32<<20, quiet, keep)
				r.opts.RegionSize = 4096
				r.open()
				for _, l := range test.local {
					r.read(l.Off, l.Len)
				}
				r.c.Prefetch(test.ranges)
				synctest.Wait()
				if got := requested(r.src); !slices.Equal(got, test.want) {
					t.Errorf("asked for %v, want %v", got, test.want)
				}
				n := len(r.src.Ranges())
				for _, p := range test.ranges {
					if p.Off >= 0 && p.Off < 32<<20 && p.Len > 0 {
						got := r.read(p.Off, min(p.Len, 32<<20-p.Off))
						if differ(got, r.content[p.Off:p.Off+int64(len(got))]) >= 0 {
							t.Error("wrong bytes")
						}
					}
				}
				if more := len(r.src.Ranges()) - n; more != 0 {
					t.Errorf("%d requests for what was asked for before", more)
				}
				if twice := r.src.Twice(); twice != 0 {
					t.Errorf("%d bytes twice", twice)
				}
				r.c.Close()
			})
		})
	}
}

// What is most urgent comes first, and the rest when there is a connection free: more than so many
// ranges are not in flight at once.
func TestPrefetchInOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, 64<<20, quiet, keep)
		r.open()
		r.src.Plan(sourcetest.Always(sourcetest.Fault{Latency: time.Second}))
		var want []Range
		for i := range int64(2*earlyConnections() - 1) {
			want = append(want, Range{(64<<20 - 512) - i<<19, 512})
		}
		r.c.Prefetch(want)
		synctest.Wait()
		if now, _ := r.src.InFlight(); now != earlyConnections() {
			t.Errorf("%d in flight, want %d", now, earlyConnections())
		}
		time.Sleep(10 * time.Second)
		log := r.src.Log()[1:] // behind the one of Open
		if len(log) != len(want) {
			t.Fatalf("%d requests, want %d", len(log), len(want))
		}
		// Those that are sent at the same moment arrive in any order.
		for i := range want {
			first := i / earlyConnections() * earlyConnections()
			at := slices.IndexFunc(log, func(q sourcetest.Request) bool { return q.Off == want[i].Off })
			if at < first || at >= first+earlyConnections() {
				t.Errorf("range %d was request %d", i, at)
			}
		}
		if _, most := r.src.InFlight(); most != earlyConnections() {
			t.Errorf("%d were in flight at once", most)
		}
		r.c.Close()
	})
}

// A reader who comes while what he wants is on its way waits for that.
func TestReaderJoinsPrefetch(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, 8<<20, quiet, keep)
		r.open()
		r.src.Plan(sourcetest.Always(sourcetest.Fault{Latency: 30 * time.Millisecond}))
		r.c.Prefetch([]Range{{1 << 20, 100 << 10}, {4 << 20, 512}})
		synctest.Wait()
		begin := time.Now()
		r.read(1<<20+50<<10, 512)
		r.read(4<<20, 512)
		if d := time.Since(begin); d != 30*time.Millisecond {
			t.Errorf("came after %v", d)
		}
		if got, want := requested(r.src), []string{"1024+100", "4096+0"}; !slices.Equal(got, want) {
			t.Errorf("asked for %v, want %v", got, want)
		}
		r.c.Close()
	})
}

// With the background at work nothing comes twice, and it goes on meanwhile.
// The cap is for what nobody waits for. A reader whose regions are in a flight that it holds back does
// not wait for it, whatever the flight's size and however much the reader wants.
func TestReaderPassesWhatTheCapHoldsBack(t *testing.T) {
	for name, size := range map[string]int64{"a region": 4 << 10, "small": 64 << 10, "large": 2 << 20} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newRig(t, 64<<20, quiet, keep)
				r.opts.RegionSize = 4096
				r.opts.Knobs.Bandwidth = knob(int64(1000))
				r.open()
				var wanted []Range
				for i := range int64(20) {
					wanted = append(wanted, Range{(i + 1) * 3 << 20, size})
				}
				r.c.Prefetch(wanted)
				synctest.Wait()
				began := time.Now()
				for _, w := range wanted {
					if got := r.read(w.Off, w.Len); differ(got, r.content[w.Off:w.Off+w.Len]) >= 0 {
						t.Error("wrong bytes")
					}
				}
				if d := time.Since(began); d > 10*time.Second {
					t.Errorf("%d KiB took %v", 20*size>>10, d)
				}
				r.c.Close()
			})
		})
	}
}

func TestPrefetchBesideTheBackground(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, 64<<20, keep)
		batch := int64(1 << 20)
		r.opts.Knobs.Batch = &batch
		r.src.Plan(sourcetest.Always(sourcetest.Fault{Latency: 30 * time.Millisecond, Chunk: 64 << 10, Pause: time.Millisecond}))
		r.open()
		rnd := newRand(11)
		background := 0
		for r.c.Status().State == StateHydrating {
			var want []Range
			for range 5 {
				want = append(want, Range{rnd.Int64N(64 << 20), rnd.Int64N(200 << 10)})
			}
			r.c.Prefetch(want)
			time.Sleep(10 * time.Millisecond)
		}
		r.wait()
		r.expect(r.content)
		for _, q := range r.src.Ranges() {
			if q.Len > 400<<10 {
				background++
			}
		}
		if background == 0 {
			t.Error("the background was starved")
		}
		if twice := r.src.Twice(); twice != 0 {
			t.Errorf("%d bytes twice", twice)
		}
		r.c.Close()
	})
}

// However much is asked for, what waits is bounded, and with a source that fails it is dropped.
func TestPrefetchIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, 64<<20, quiet, keep)
		r.open()
		gate := make(chan struct{})
		r.src.Plan(sourcetest.Always(sourcetest.Fault{Gate: gate, Err: sourcetest.Reset()}))
		var want []Range
		for off := int64(0); off < 64<<20; off += 8 << 10 {
			want = append(want, Range{off, 512})
		}
		r.c.Prefetch(want)
		r.c.Prefetch(want)
		synctest.Wait()
		r.c.early.mu.Lock()
		n := len(r.c.early.wanted[soon])
		r.c.early.mu.Unlock()
		if n == 0 || n > mostWanted {
			t.Errorf("%d ranges wait, want 1 to %d", n, mostWanted)
		}
		close(gate)
		time.Sleep(time.Minute)
		r.c.early.mu.Lock()
		n, running := len(r.c.early.wanted[soon]), r.c.early.running
		r.c.early.mu.Unlock()
		if n != 0 || running != 0 {
			t.Errorf("%d ranges wait for a source that fails, %d goroutines", n, running)
		}
		r.src.Plan(nil)
		r.expect(r.content)
		r.c.Close()
		r.c.Prefetch(want) // after Close: nothing
	})
}

// Where nothing can be kept, nothing is fetched ahead.
func TestPrefetchKeepsOutOfReadOnly(t *testing.T) {
	r := newRig(t, 8<<20, quiet, keep)
	r.open()
	r.c.head().Mode.Store(uint64(state.ReadOnly))
	r.c.Prefetch([]Range{{1 << 20, 1 << 20}})
	r.c.Close()
	if n := len(r.src.Ranges()); n != 0 {
		t.Errorf("%d requests", n)
	}
}

// Who waits for what was asked for ahead of him does not depend on it: when it is late, be it that
// its connection is silent or that others use up the bandwidth, he asks for himself.
func TestWhatIsLateIsAskedForAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, 32<<20, quiet, keep)
		r.open()
		r.src.Plan(func(q sourcetest.Request) sourcetest.Fault {
			return sourcetest.Fault{Stall: q.Off == 1<<20 && q.Len == 256<<10}
		})
		r.c.Prefetch([]Range{{1 << 20, 256 << 10}})
		synctest.Wait()
		begun := time.Now()
		if got := r.read(1<<20+100<<10, 4096); differ(got, r.content[1<<20+100<<10:][:4096]) >= 0 {
			t.Error("wrong bytes")
		}
		if took := time.Since(begun); took > 2*lateness {
			t.Errorf("the reader waited %v", took)
		}
		r.c.Close()
	})
}

// Nor does he wait long for a range that he wants all of, when it has become slow: his own request would be
// answered at once. That is so whoever has asked for it.
func TestWhatIsSlowIsAskedForAgain(t *testing.T) {
	for name, ask := range map[string]func(*rig){
		"ahead":  func(r *rig) { r.c.Prefetch([]Range{{8 << 20, 8 << 20}}) },
		"reader": func(r *rig) { r.read(8<<20, 4096) },
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r, a := newAdvised(t, 32<<20, quiet)
				a.missed = func(m Miss) []Range { return []Range{{m.Off, 16<<20 - m.Off}} }
				r.open()
				r.src.Plan(func(q sourcetest.Request) sourcetest.Fault {
					if q.Len > smallFetch {
						return sourcetest.Fault{Latency: time.Millisecond, Chunk: 64 << 10, Pause: time.Second}
					}
					return sourcetest.Fault{Latency: time.Millisecond}
				})
				ask(r)
				time.Sleep(10 * time.Second)
				for _, off := range []int64{14 << 20, 15 << 20, 14<<20 + 100<<10} {
					begun := time.Now()
					if got := r.read(off, 4096); differ(got, r.content[off:][:4096]) >= 0 {
						t.Error("wrong bytes")
					}
					if took := time.Since(begun); took > 4*lateness {
						t.Errorf("the reader at %d waited %v", off, took)
					}
				}
				r.c.Close()
			})
		})
	}
}
