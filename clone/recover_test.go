package clone

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"syscall"
	"testing"

	"hydrant/clone/state"
	"hydrant/internal/crashdest"
	"hydrant/internal/faultio"
	"hydrant/source/sourcetest"
)

// unsynced runs a workload until the k-th sync of dest after creation fails, and ends the process.
// over tells that there were not so many.
func unsynced(t *testing.T, steps []step, k int) (r *rig, m *model, over bool) {
	ctx := context.Background()
	content := crashContent()
	disk := &crashdest.Disk{}
	r = &rig{t: t, content: content, src: sourcetest.NewFake(content), dst: disk, store: &state.MemoryStore{}}
	r.opts.RegionSize = 512
	quiet(&r.opts)
	keep(&r.opts)
	r.open()
	for range k - 1 {
		disk.FailSync(nil)
	}
	disk.FailSync(syscall.EIO)
	m = &model{cur: bytes.Clone(content)}
	m.synced()
	over = true
	for _, s := range steps {
		before := m.cur
		if s.is != nil {
			m.cur = s.is(bytes.Clone(m.cur))
			m.past = append(m.past, bytes.Clone(m.cur))
		}
		if err := s.do(ctx, r.c); errors.Is(err, ErrReadOnly) {
			over = false
			m.past = append(m.past, before)
			break
		} else if err != nil {
			t.Fatalf("%s: %v", s.name, err)
		}
		if s.sync && r.c.mode() == state.ReadWrite {
			m.synced()
		}
	}
	kill(r.c)
	return r, m, over && r.c.mode() == state.ReadWrite
}

// After a sync that failed, Recover takes back what is certain, and nothing else: what is read then
// is what the disk has, for good.
func TestRecoverTakesWhatIsCertain(t *testing.T) {
	ctx := context.Background()
	seeds := uint64(4)
	if testing.Short() || raceDetector {
		seeds = 1
	}
	lost := false
	for name, steps := range workloads {
		for k := 1; ; k++ {
			over := false
			for seed := range seeds {
				for _, again := range []bool{false, true} { // once more opened in mode ro
					what := fmt.Sprintf("%s, sync %d failed, seed %d, opened again %v", name, k, seed, again)
					r, m, none := unsynced(t, steps, k)
					if over = none; over {
						break
					}
					disk := r.dst.(*crashdest.Disk)
					if again {
						if c := r.open(); c.mode() != state.ReadOnly {
							t.Fatalf("%s: mode %v", what, c.mode())
						}
						kill(r.c)
					}
					disk.Chance(newRand(seed))
					did, err := Recover(r.dst, r.store)
					if err != nil || did.Mode != "ro" || did.Error == "" {
						t.Fatalf("%s: %+v, %v", what, did, err)
					}
					lost = lost || did.Lost > 0
					if did, err := Recover(r.dst, r.store); err != nil || did.Mode != "rw" {
						t.Fatalf("%s: recovering again: %+v, %v", what, did, err)
					}
					got := r.reopen(what)
					if i, ok := m.allows(got); !ok {
						t.Fatalf("%s: byte %d of %d cannot be", what, i, len(got))
					}
					if mode := r.c.mode(); mode != state.ReadWrite {
						t.Fatalf("%s: mode %v", what, mode)
					}
					// What is read now, and synced, survives.
					if err := r.c.Sync(ctx); err != nil {
						t.Fatalf("%s: %v", what, err)
					}
					kill(r.c)
					r.dst = disk.Crash(newRand(seed))
					r.store.Mount++
					if i := differ(r.reopen(what), got); i >= 0 {
						t.Fatalf("%s: after power loss byte %d is another", what, i)
					}
					finish(r, what, got)
				}
			}
			if over {
				if k < 2 {
					t.Fatalf("%s: no sync", name)
				}
				break
			}
		}
	}
	if !lost {
		t.Error("nothing was ever lost: the test shows nothing")
	}
}

// A process that dies at any operation of Recover leaves a clone that is read-only still, or again
// as it should be; and recovering goes on.
func TestDeathWhileRecovering(t *testing.T) {
	for name, steps := range workloads {
		for k := 1; ; k++ {
			r, m, over := unsynced(t, steps, 1)
			if over {
				t.Fatalf("%s: no sync", name)
			}
			what := fmt.Sprintf("%s, death at operation %d", name, k)
			disk := r.dst.(*crashdest.Disk)
			disk.Chance(newRand(uint64(k)))
			l := &life{left: k, store: r.store}
			_, err := Recover(&mortalTarget{disk, l}, &mortalStore{r.store, l})
			if died := l.isDead(); died {
				l.over()
			} else if err != nil {
				t.Fatalf("%s: %v", what, err)
			}
			c := r.open()
			if err != nil && c.mode() == state.ReadWrite {
				t.Logf("%s: it had recovered already", what)
			}
			kill(c)
			if _, err := Recover(r.dst, r.store); err != nil {
				t.Fatalf("%s: again: %v", what, err)
			}
			got := r.reopen(what)
			if i, ok := m.allows(got); !ok {
				t.Fatalf("%s: byte %d of %d cannot be", what, i, len(got))
			}
			if r.c.mode() != state.ReadWrite {
				t.Fatalf("%s: mode %v", what, r.c.mode())
			}
			finish(r, what, got)
			if err == nil {
				if k < 4 {
					t.Fatalf("%s: only %d operations", what, k)
				}
				break
			}
		}
	}
}

// What Recover refuses, it refuses without changing anything; what needs none is left alone.
func TestRecoverRefuses(t *testing.T) {
	r := newRig(t, 300_000, quiet, keep)
	faults, _ := faulty(r)
	r.open()
	if _, err := Recover(r.dst, r.store); !errors.Is(err, ErrBusy) {
		t.Errorf("in use: %v", err)
	}
	r.c.setMode(state.ReadOnly, errors.New("the sync of the test"))
	if err := r.c.Sync(context.Background()); err == nil || !strings.Contains(err.Error(), "hydrant recover memory") {
		t.Errorf("the way back is not named: %v", err)
	}
	if _, err := Recover(r.dst, r.store); !errors.Is(err, ErrBusy) {
		t.Errorf("in use and read-only: %v", err)
	}
	kill(r.c)
	faults.Inject(faultio.Fault{Op: faultio.Sync, K: 1, Err: syscall.EIO, Sticky: true})
	if _, err := Recover(r.dst, r.store); !errors.Is(err, syscall.EIO) {
		t.Errorf("with a disk that still fails: %v", err)
	}
	faults.Inject()
	r.open()
	if r.c.mode() != state.ReadOnly {
		t.Error("rw again, though recovering failed")
	}
	kill(r.c)
	if did, err := Recover(r.dst, r.store); err != nil || did.Mode != "ro" || did.Error != "the sync of the test" {
		t.Errorf("%+v, %v", did, err)
	}
	r.open()
	r.write([]byte("again"), 5)
	if s := r.c.Status(); s.Mode != "rw" || s.Error != "" {
		t.Errorf("status %+v", s)
	}
	kill(r.c)
	want := bytes.Clone(r.content)
	copy(want[5:], "again")
	if did, err := Recover(r.dst, r.store); err != nil || did.Mode != "rw" {
		t.Errorf("of a clone in rw: %+v, %v", did, err)
	}
	r.open()
	r.expect(want)
}

// What the kernel lost is lost for this boot, under whatever mount the clone is opened next.
func TestModeOutlivesARemount(t *testing.T) {
	r := newRig(t, 300_000, quiet, keep)
	r.open()
	r.c.setMode(state.ReadOnly, errors.New("the sync of the test"))
	kill(r.c)
	r.store.Mount++
	r.open()
	if r.c.mode() != state.ReadOnly {
		t.Error("read-write after a remount")
	}
}
