package clone

import (
	"context"
	"errors"
	"reflect"
	"slices"
	"testing"
	"testing/synctest"
	"time"

	"hydrant/clone/state"
	"hydrant/clone/trace"
	"hydrant/dest"
	"hydrant/source"
	"hydrant/source/sourcetest"
)

// warmRig is a rig whose source can have a trace beside it, and answers each request after rtt.
type warmRig struct {
	*rig
	beside *sourcetest.FakeSidecar
}

const rtt = 30 * time.Millisecond

// unhydrated switches hydration off; what is wanted is fetched all the same.
func unhydrated(o *Options) { off := false; o.Knobs.Hydration = &off; o.RegionSize = 4096 }

func newWarmRig(t testing.TB, size int64, change ...func(*Options)) *warmRig {
	r := newRig(t, size, append([]func(*Options){keep, unhydrated}, change...)...)
	r.src.Plan(sourcetest.Always(sourcetest.Fault{Latency: rtt}))
	return &warmRig{r, sourcetest.WithSidecar(r.src)}
}

type unclosedSidecar struct{ *sourcetest.FakeSidecar }

func (unclosedSidecar) Close() error { return nil }

func (r *warmRig) open() *Clone {
	r.t.Helper()
	c, err := Open(context.Background(), unclosedSidecar{r.beside}, r.dst, r.store, &r.opts)
	if err != nil {
		r.t.Fatal(err)
	}
	r.c = c
	r.t.Cleanup(func() { c.Close() })
	return c
}

// anew makes the rig one of a new clone of the same source.
func (r *warmRig) anew() {
	r.c.Close()
	r.dst, r.store = dest.Memory(), &state.MemoryStore{}
	r.src.Forget()
}

// walk is an application: it reads at each of these offsets, one after the other.
func (r *warmRig) walk(offs []int64) {
	r.t.Helper()
	for _, off := range offs {
		if got := r.read(off, 4096); differ(got, r.content[off:off+4096]) >= 0 {
			r.t.Fatalf("wrong bytes at %d", off)
		}
	}
}

// asked counts what the source was asked for: identities, what lies beside, ranges.
func (r *warmRig) asked() (identify, beside, ranges int) {
	for _, q := range r.src.Log() {
		switch {
		case q.Identify:
			identify++
		case q.Beside != "":
			beside++
		default:
			ranges++
		}
	}
	return identify, beside, ranges
}

func someTrace(offs ...int64) *trace.Trace {
	t := &trace.Trace{Runs: 1}
	for _, off := range offs {
		t.Ranges = append(t.Ranges, trace.Range{Off: off, Len: 4096, Seen: 1})
	}
	return t
}

// down is a way down some trees: each read is known when the one before has been answered.
var down = []int64{20 << 20, 3 << 20, 11 << 20, 11<<20 + 128<<10, 30 << 20, 5 << 20, 3<<20 + 4096}

// With a trace it takes two rounds to open a clone and to read all that the trace knows of, however
// many reads depend on one another. No byte is asked for twice.
func TestTwoRoundsWithATrace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newWarmRig(t, 32<<20)
		begun := time.Now()
		r.open()
		r.walk(down)
		if took := time.Since(begun); took != 7*rtt { // one of them is a neighbour
			t.Errorf("without a trace it took %v, want %v", took, 7*rtt)
		}
		recorded, err := r.c.Trace()
		if err != nil {
			t.Fatal(err)
		}
		r.beside.SetBeside(trace.Suffix, recorded.Encode())

		r.anew()
		begun = time.Now()
		r.open()
		if took := time.Since(begun); took != rtt {
			t.Errorf("opening took %v", took)
		}
		r.walk(down)
		if took := time.Since(begun); took != 2*rtt {
			t.Errorf("with a trace it took %v, want %v", took, 2*rtt)
		}
		if id, beside, ranges := r.asked(); id != 1 || beside != 1 || ranges > 6 {
			t.Errorf("asked for %d identities, %d traces, %d ranges", id, beside, ranges)
		}
		if n := r.src.Twice(); n != 0 {
			t.Errorf("%d bytes came twice", n)
		}
		if got := r.c.Status().Requests; got != uint64(len(r.src.Log())) {
			t.Errorf("%d requests, the status says %d", len(r.src.Log()), got)
		}
	})
}

// Whatever there is instead of a trace, opening takes one round, nothing is fetched, nobody is told,
// and it is not asked for again.
func TestNoTraceIsNoTrouble(t *testing.T) {
	fail := func(err error) sourcetest.Fault { return sourcetest.Fault{Latency: rtt, Err: err} }
	good := someTrace(1 << 20).Encode()
	for name, test := range map[string]struct {
		fault  sourcetest.Fault
		beside []byte
	}{
		"none":     {sourcetest.Fault{Latency: rtt}, nil},
		"denied":   {fail(source.ErrDenied), good},
		"broken":   {fail(sourcetest.Reset()), good},
		"slow":     {fail(sourcetest.SlowDown(time.Second)), good},
		"silent":   {sourcetest.Fault{Stall: true}, good},
		"garbage":  {sourcetest.Fault{Latency: rtt}, []byte("<html>Not found</html>")},
		"cut":      {sourcetest.Fault{Latency: rtt}, good[:len(good)-1]},
		"too long": {sourcetest.Fault{Latency: rtt}, append(good, make([]byte, trace.MaxEncoded)...)},
		"empty":    {sourcetest.Fault{Latency: rtt}, []byte{}},
		"names nothing": {sourcetest.Fault{Latency: rtt},
			(&trace.Trace{Ranges: []trace.Range{{Off: 1 << 40, Len: 1 << 50, Seen: 1}}}).Encode()},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newWarmRig(t, 8<<20)
				var events []Event
				r.opts.OnEvent = func(e Event) { events = append(events, e) }
				r.src.Plan(func(q sourcetest.Request) sourcetest.Fault {
					if q.Beside != "" {
						return test.fault
					}
					return sourcetest.Fault{Latency: rtt}
				})
				if test.beside != nil {
					r.beside.SetBeside(trace.Suffix, test.beside)
				}
				begun := time.Now()
				r.open()
				if took := time.Since(begun); took != rtt {
					t.Errorf("opening took %v", took)
				}
				time.Sleep(20 * time.Second)
				if id, beside, ranges := r.asked(); id != 1 || beside != 1 || ranges != 0 {
					t.Errorf("asked for %d identities, %d traces, %d ranges", id, beside, ranges)
				}
				if now, _ := r.src.InFlight(); now != 0 {
					t.Errorf("%d requests go on", now)
				}
				if st := r.c.Status(); st.Error != "" || len(events) > 0 {
					t.Errorf("somebody was told: %q, %v", st.Error, events)
				}
				r.walk([]int64{4 << 20})
				if err := r.c.Close(); err != nil {
					t.Error(err)
				}
			})
		})
	}
}

// A trace that is never answered holds up neither Close nor an Open that fails.
func TestSilentTraceAndTheEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newWarmRig(t, 8<<20)
		refuse := false
		r.src.Plan(func(q sourcetest.Request) sourcetest.Fault {
			switch {
			case q.Beside != "":
				return sourcetest.Fault{Stall: true}
			case refuse:
				return sourcetest.Fault{Err: source.ErrDenied}
			}
			return sourcetest.Fault{}
		})
		begun := time.Now()
		if err := r.open().Close(); err != nil {
			t.Fatal(err)
		}
		r.anew()
		refuse = true
		if _, err := Open(context.Background(), unclosedSidecar{r.beside}, r.dst, r.store, &r.opts); !errors.Is(err, source.ErrDenied) {
			t.Errorf("got %v", err)
		}
		if now, _ := r.src.InFlight(); now != 0 || time.Since(begun) != 0 {
			t.Errorf("%d requests go on, %v have passed", now, time.Since(begun))
		}
	})
}

func TestNoTraceAtAll(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newWarmRig(t, 8<<20)
		r.opts.NoTrace = true
		r.beside.SetBeside(trace.Suffix, someTrace(4<<20).Encode())
		r.open()
		r.walk([]int64{1 << 20, 1 << 20})
		time.Sleep(time.Minute)
		if id, beside, ranges := r.asked(); id != 1 || beside != 0 || ranges != 1 {
			t.Errorf("asked for %d identities, %d traces, %d ranges", id, beside, ranges)
		}
		if got, err := r.c.Trace(); got != nil || err != nil {
			t.Errorf("recorded %v, %v", got, err)
		}
	})
}

// A trace of another version of the blob costs bytes, and no more of them than the bound.
func TestStaleTrace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const size = 40<<20 + 1000
		r := newWarmRig(t, size)
		r.beside.SetBeside(trace.Suffix, (&trace.Trace{Size: 1 << 40, Runs: 3, Ranges: []trace.Range{
			{Off: 1 << 39, Len: 1 << 30, Seen: 3}, {Off: size - 10, Len: 1 << 50, Seen: 3},
			{Off: 10 << 20, Len: 20 << 20, Seen: 2}, {Off: 0, Len: 4 << 20, Seen: 1}}}).Encode())
		r.open()
		time.Sleep(time.Second)
		sum := int64(0)
		for _, q := range r.src.Ranges() {
			if q.Off+q.Len > size || q.Off < 10<<20 {
				t.Errorf("asked for %d bytes at %d", q.Len, q.Off)
			}
			sum += q.Len
		}
		if sum < warmBytesOff-4096 || sum > warmBytesOff+8192 {
			t.Errorf("asked for %d bytes, want %d", sum, warmBytesOff)
		}
		r.walk([]int64{size - 8192, 12 << 20, 5 << 20})
	})
}

// offsets are where the ranges of a trace begin.
func offsets(t *trace.Trace) (offs []int64) {
	if t != nil {
		for _, r := range t.Ranges {
			offs = append(offs, r.Off)
		}
	}
	return offs
}

func (r *warmRig) recorded() []int64 {
	r.t.Helper()
	got, err := r.c.Trace()
	if err != nil {
		r.t.Fatal(err)
	}
	return offsets(got)
}

// What counts is what was wanted, in order, and not who had brought it by then.
func TestTouchesAreInOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newWarmRig(t, 8<<20)
		r.open()
		r.c.Prefetch([]Range{{Off: 6 << 20, Len: 4096}})
		synctest.Wait()
		time.Sleep(time.Second)
		if got := r.recorded(); got != nil {
			t.Errorf("nothing was read, and %v recorded", got)
		}
		var past []Range
		r.c.TouchedBy(func(note func(Range)) {
			for _, p := range past {
				note(p)
			}
			past = nil
		})
		r.walk([]int64{2 << 20, 6 << 20, 2 << 20, 6 << 20})
		past = []Range{{Off: 5 << 20, Len: 4096}, {Off: 7 << 20, Len: 4096}}
		r.walk([]int64{1 << 20, 3 << 20, 3<<20 + 4096, 2<<20 + 8192})
		past = []Range{{Off: 0, Len: 100}}
		want := []int64{2 << 20, 6 << 20, 5 << 20, 7 << 20, 1 << 20, 3 << 20, 2<<20 + 8192, 0}
		if got := r.recorded(); !slices.Equal(got, want) {
			t.Errorf("got %v, want %v", got, want)
		}
		// A life later what comes is put behind that.
		r.c.Close()
		r.open()
		r.walk([]int64{6 << 20, 4 << 20})
		if got := r.recorded(); !slices.Equal(got, append(want, 4<<20)) {
			t.Errorf("got %v, want %v and %d", got, want, 4<<20)
		}
	})
}

// What is known the next run begins with, when it finds the clone alone and mostly cold; and only what
// nobody has recorded is looked for beside the source.
func TestTraceIsKept(t *testing.T) {
	for name, test := range map[string]struct {
		beside    *trace.Trace // in the first life
		read      int64        // in the first life
		hydrate   int64        // … and made local
		powerLost bool
		asks      bool // in the second life, beside the source
		want      int  // ranges that the second life asks for ahead
	}{
		"given":              {someTrace(4<<20, 6<<20), 0, 0, true, false, 2},
		"given, and there":   {someTrace(4<<20, 6<<20), 0, 0, false, false, 0},
		"recorded":           {nil, 9 << 20, 0, true, false, 1},
		"both":               {someTrace(4<<20, 9<<20), 2 << 20, 0, true, false, 3},
		"none":               {nil, 0, 0, false, true, 1},
		"none, mostly there": {nil, 0, 20 << 20, false, false, 0},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newWarmRig(t, 32<<20)
				if test.beside != nil {
					r.beside.SetBeside(trace.Suffix, test.beside.Encode())
				}
				r.open()
				time.Sleep(3 * rtt)
				if test.read > 0 {
					r.walk([]int64{test.read})
					r.recorded()
				}
				if err := r.c.Hydrate(context.Background(), 0, test.hydrate); err != nil {
					t.Fatal(err)
				}
				kill(r.c)
				if test.powerLost { // nothing was durable yet
					r.store.Mount++
				}
				r.src.Forget()
				r.beside.SetBeside(trace.Suffix, someTrace(1<<20).Encode())
				r.open()
				time.Sleep(3 * rtt)
				if _, beside, ranges := r.asked(); (beside > 0) != test.asks || ranges != test.want {
					t.Errorf("asked for %d traces and %d ranges: %v", beside, ranges, requested(r.src))
				}
			})
		})
	}
}

// Two processes that have a clone open record one trace.
func TestTraceOfTwoProcesses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newWarmRig(t, 32<<20)
		one := r.open()
		two := r.open()
		synctest.Wait()
		if id, beside, _ := r.asked(); id != 1 || beside != 1 {
			t.Errorf("asked for %d identities and %d traces: the second is not alone", id, beside)
		}
		for i, c := range []*Clone{one, two, one, two} {
			r.c = c
			r.walk([]int64{int64(i+1) << 20})
			r.recorded()
		}
		if got, want := r.recorded(), []int64{1 << 20, 2 << 20, 3 << 20, 4 << 20}; !slices.Equal(got, want) {
			t.Errorf("got %v, want %v", got, want)
		}
	})
}

// Whatever stands where traces do, a clone is what it is without.
func TestDamagedTracesInTheState(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newWarmRig(t, 8<<20)
		r.open()
		without := r.store.Image()
		r.walk([]int64{2 << 20, 4 << 20})
		r.recorded()
		r.c.Close()
		if n := len(r.store.Image()); n <= len(without) {
			t.Fatal("no trace was written")
		}
		rnd := newRand(7)
		for i := range 40 {
			img := r.store.Image()
			if len(img) == len(without) {
				t.Fatal("no trace was written")
			}
			for range 1 + rnd.IntN(8) {
				img[len(without)+rnd.IntN(len(img)-len(without))] ^= byte(1 + rnd.IntN(255))
			}
			if i%4 == 0 {
				img = img[:len(without)+rnd.IntN(len(img)-len(without))]
			}
			r.store.SetImage(img)
			r.open()
			r.walk([]int64{2 << 20, 4 << 20, 6<<20 + int64(i)*4096})
			if err := r.c.Close(); err != nil {
				t.Fatal(err)
			}
		}
	})
}

// A scan is one range, and touches without end are bounded.
func TestTouchesAreBounded(t *testing.T) {
	var s touches
	for off := int64(0); off < 1<<30; off += 4096 {
		s.note(off, 4096)
	}
	if got := s.take().Ranges; !reflect.DeepEqual(got, []trace.Range{{Off: 0, Len: 1 << 30, Seen: 1}}) {
		t.Errorf("a scan is recorded as %v", got)
	}
	rnd := newRand(3)
	for range 100_000 {
		s.note(rnd.Int64N(1<<40)&^4095, 4096)
		if len(s.ranges) > mostTouches {
			t.Fatalf("%d ranges", len(s.ranges))
		}
	}
	if b := s.take().Encode(); len(b) > trace.MaxEncoded {
		t.Errorf("%d bytes", len(b))
	}
	// The same few, again and again, never fill it.
	s = touches{}
	for i := range 100_000 {
		s.note(int64(i%100)<<20, 4096)
	}
	s.note(1<<35, 4096)
	if got := s.take().Tidy().Ranges; len(got) != 101 || got[100].Off != 1<<35 {
		t.Errorf("%d ranges", len(got))
	}
}

// What comes first in a long trace does not wait for what lies between that and the rest, which is
// asked for together.
func TestFirstThingsFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		const far = 1 << 20 // less than comes in a round trip
		r := newWarmRig(t, 64*far)
		on := true
		r.opts.Knobs.Hydration = &on
		// 80 MB/s on each connection.
		r.src.Plan(sourcetest.Always(sourcetest.Fault{Latency: rtt, Chunk: 80_000, Pause: time.Millisecond}))
		var offs []int64
		for i := range int64(60) {
			offs = append(offs, (i*37%61+1)*far+i*4096)
		}
		r.beside.SetBeside(trace.Suffix, someTrace(offs...).Encode())
		r.open()
		begun := time.Now()
		r.walk(offs[:earlyConnections()/2])
		if took := time.Since(begun); took > rtt+2*time.Millisecond {
			t.Errorf("the first of many took %v, a round trip is %v", took, rtt)
		}
		r.walk(offs)
		if n := r.src.Twice(); n != 0 {
			t.Errorf("%d bytes came twice", n)
		}
	})
}
