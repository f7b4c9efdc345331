package clone

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"hydrant/clone/state"
	"hydrant/clone/trace"
	"hydrant/source"
	"hydrant/source/sourcetest"
)

// lazyFile is a state file on a disk that takes its time to sync.
type lazyFile struct {
	state.File
	sync time.Duration
}

func (f *lazyFile) Sync() error {
	time.Sleep(f.sync)
	return f.File.Sync()
}

// slowToMake makes the rig one whose clones take 25 ms to make, and returns how long opening takes.
func slowToMake(r *warmRig) (opening time.Duration) {
	r.store.Wrap = func(f state.File) state.File { return &lazyFile{f, 25 * time.Millisecond} }
	begun := time.Now()
	r.open()
	opening = time.Since(begun)
	r.anew()
	r.store.Wrap = func(f state.File) state.File { return &lazyFile{f, 25 * time.Millisecond} }
	return opening
}

// What the trace names is on its way while the files are made: syncing them costs no time on top of
// the two rounds, no byte comes twice, and each request is counted.
func TestHeadstartOfATrace(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newWarmRig(t, 32<<20)
		opening := slowToMake(r)
		if opening != rtt+25*time.Millisecond {
			t.Fatalf("opening takes %v", opening)
		}
		r.beside.SetBeside(trace.Suffix, someTrace(down...).Encode())
		begun := time.Now()
		r.open()
		if took := time.Since(begun); took != opening {
			t.Errorf("opening took %v, without a trace %v", took, opening)
		}
		r.walk(down)
		if took := time.Since(begun); took != 2*rtt {
			t.Errorf("it took %v, want %v", took, 2*rtt)
		}
		if n := r.src.Twice(); n != 0 {
			t.Errorf("%d bytes came twice", n)
		}
		synctest.Wait()
		if got := r.c.Status().Requests; got != uint64(len(r.src.Log())) {
			t.Errorf("%d requests, the status says %d", len(r.src.Log()), got)
		}
	})
}

// frontAdvisor reads some ranges out of the first bytes.
type frontAdvisor []Range

func (a frontAdvisor) Seen(_ []byte, off int64) []Range {
	if off > 0 {
		return nil
	}
	return a
}
func (frontAdvisor) Missed(Miss) []Range { return nil }

// So is what the advisor makes of the first bytes.
func TestHeadstartOfTheAdvisor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newWarmRig(t, 32<<20)
		slowToMake(r)
		r.opts.Advisor = frontAdvisor{{9 << 20, 4096}, {0, 100}, {9<<20 + 8192, 4096}, {9 << 20, 8192}, {20 << 20, 4096}, {1 << 40, 1}, {-1, 1}}
		begun := time.Now()
		r.open()
		r.walk([]int64{9 << 20, 20 << 20, 9<<20 + 8192})
		if took := time.Since(begun); took != 2*rtt {
			t.Errorf("it took %v, want %v", took, 2*rtt)
		}
		if _, _, ranges := r.asked(); ranges != 2 || r.src.Twice() != 0 {
			t.Errorf("%d ranges were asked for, %d bytes twice", ranges, r.src.Twice())
		}
	})
}

// A small blob that will be hydrated anyway comes with the opening, in one request; where the background
// is off, or has a cap, it does not.
func TestSmallBlobComesWithTheOpening(t *testing.T) {
	slow := int64(10 << 20)
	for name, test := range map[string]struct {
		size   int64
		knobs  Knobs
		whole  bool
		ranges int
	}{
		"small":       {wholeFetch, Knobs{}, true, 1},
		"all of head": {headBytes, Knobs{}, true, 0},
		"larger":      {wholeFetch + 1, Knobs{}, false, 1},
		"off":         {wholeFetch, Knobs{Hydration: new(bool)}, false, 0},
		"capped":      {wholeFetch, Knobs{Bandwidth: &slow}, false, 1},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newWarmRig(t, test.size)
				r.opts.Knobs = test.knobs
				r.store.Wrap = func(f state.File) state.File { return &lazyFile{f, rtt} }
				begun := time.Now()
				r.open() // which takes two rounds
				time.Sleep(time.Millisecond)
				if took := time.Since(begun); took != 2*rtt+time.Millisecond {
					t.Errorf("opening took %v", took)
				}
				whole := r.c.Status().RegionsHydrated == r.c.Status().RegionsTotal
				if whole != test.whole {
					t.Errorf("all is here: %v", whole)
				}
				time.Sleep(time.Second)
				if _, _, ranges := r.asked(); ranges != test.ranges || r.src.Twice() != 0 {
					t.Errorf("%d ranges were asked for, %d bytes twice", ranges, r.src.Twice())
				}
			})
		})
	}
}

// What is begun and not wanted after all ends with the opening: when that fails, and when another has
// made the clone meanwhile.
func TestHeadstartIsDropped(t *testing.T) {
	for name, test := range map[string]struct {
		making func(r *warmRig) error // while the state file is being made
		fails  bool
	}{
		"failed": {func(*warmRig) error { return errors.New("no") }, true},
		"another was first": {func(r *warmRig) error {
			other := *r.rig
			other.store.Wrap = nil
			other.opts.Advisor = nil
			other.open().Close()
			return nil
		}, false},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := newWarmRig(t, 32<<20)
				r.src.Plan(func(q sourcetest.Request) sourcetest.Fault {
					return sourcetest.Fault{Stall: !q.Identify && q.Beside == ""}
				})
				r.opts.Advisor = frontAdvisor{{9 << 20, 4096}}
				first := true
				r.store.Wrap = func(f state.File) state.File {
					if !first {
						return f
					}
					return &hookedFile{f, func() error {
						if !first {
							return nil
						}
						first = false
						synctest.Wait()
						return test.making(r)
					}}
				}
				c, err := Open(context.Background(), unclosedSidecar{r.beside}, r.dst, r.store, &r.opts)
				if (err != nil) != test.fails {
					t.Fatalf("got %v", err)
				}
				if _, most := r.src.InFlight(); most == 0 {
					t.Error("nothing was begun")
				}
				if now, _ := r.src.InFlight(); now != 0 {
					t.Errorf("%d requests go on", now)
				}
				if c != nil {
					c.Close()
				}
			})
		})
	}
}

type hookedFile struct {
	state.File
	hook func() error
}

func (f *hookedFile) Sync() error {
	if err := f.hook(); err != nil {
		return err
	}
	return f.File.Sync()
}

// A request that was refused is sent again when the clone is there.
func TestHeadstartIsAskedForAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newWarmRig(t, 32<<20)
		refused := 0
		r.src.Plan(func(q sourcetest.Request) sourcetest.Fault {
			if !q.Identify && q.Beside == "" && refused < openTries {
				refused++
				return sourcetest.Fault{Err: source.WithKind(errors.New("refused"), source.Transient)}
			}
			return sourcetest.Fault{}
		})
		r.opts.Advisor = frontAdvisor{{9 << 20, 4096}}
		r.open()
		r.walk([]int64{9 << 20})
		if refused != openTries {
			t.Errorf("%d requests were refused", refused)
		}
		time.Sleep(time.Minute) // the reader may not have waited for that one
		if got := r.c.Status().Requests; got != uint64(len(r.src.Log())) {
			t.Errorf("%d requests, the status says %d", len(r.src.Log()), got)
		}
	})
}
