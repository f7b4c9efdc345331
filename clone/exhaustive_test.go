package clone

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"hash/maphash"
	"io"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"

	"hydrant/clone/state"
	"hydrant/clone/state/statetest"
	"hydrant/internal/crashdest"
	"hydrant/source/sourcetest"
)

// The clone of the exhaustive tests: three regions of 512 bytes and a short one, of which the third
// has zeros in the source. A read brings one region.
const tinySize = 3*512 + 100

func tinyContent() []byte {
	b := make([]byte, tinySize)
	for i := range b {
		b[i] = 0x80 | byte(i*7+i>>8) // never zero, and never what a step writes
	}
	clear(b[1100:1400])
	return b
}

func tinyOptions() *Options {
	o := &Options{RegionSize: 512, window: 512}
	quiet(o)
	return o
}

// tinySteps are the operations of the workloads; the i-th of a workload writes letters of its own.
func tinySteps(i int) []step {
	b := byte('a' + 4*i)
	reopen := step{name: "reopen", sync: true} // done by the runner
	first := writeStep(4, fill(b+3, 30))
	synced := step{name: first.name + " and sync", is: first.is, sync: true, do: func(ctx context.Context, c *Clone) error {
		return errors.Join(first.do(ctx, c), c.Sync(ctx))
	}}
	complete := step{name: "complete", do: func(ctx context.Context, c *Clone) error {
		if err := c.Hydrate(ctx, 0, tinySize); err != nil {
			return err
		}
		return c.tryComplete(ctx, true)
	}}
	return []step{
		writeStep(512, fill(b, 1024)), writeStep(600, fill(b+1, 100)), writeStep(900, fill(b+2, 300)), first, synced,
		rangeDiscard(300, 1300), truncateStep(700), truncateStep(2000), truncateStep(5),
		syncStep, hydrateStep(1024, 10), complete, reopen,
	}
}

// rangeDiscard discards the whole regions of a range, as the contract of Discard has it.
func rangeDiscard(off, n int64) step {
	return step{
		name: fmt.Sprintf("discard %d at %d", n, off),
		do:   func(ctx context.Context, c *Clone) error { return c.Discard(ctx, off, n) },
		is: func(b []byte) []byte {
			const rs = 512
			end := int64(len(b))
			lo, hi := (off+rs-1)/rs*rs, min(off+n, end)/rs*rs
			if off+n >= end && end <= tinySize {
				hi = end
			}
			if lo < hi {
				clear(b[lo:hi])
			}
			return b
		},
	}
}

// tinyTemplate is a disk and a state file with a clone just made: live, and all of it cold.
func tinyTemplate(t testing.TB, content []byte) (*crashdest.Disk, *statetest.Store) {
	made := newComputer(new(crashdest.Disk), new(statetest.Store), content)
	c, err := Open(context.Background(), unclosed{sourcetest.NewFake(content)}, made.disk, made.store, tinyOptions())
	if err != nil {
		t.Fatal(err)
	}
	kill(c)
	all := func(int) int { return 1 }
	for _, m := range made.moments {
		if isLive(m.store) {
			return m.disk.CrashAs(all, false), m.store.CrashAs(all, false, nil)
		}
	}
	t.Fatal("it never lives")
	return nil, nil
}

// isLive tells whether the superblock in s says so, if it is there.
func isLive(s *statetest.Store) bool {
	f, err := s.Copy().Open()
	if err != nil {
		return false
	}
	defer f.Close()
	sb, err := state.ReadSuperblock(f)
	return err == nil && sb.Phase == state.Live
}

// census is what an exhaustive test has gone through.
type census struct {
	workloads, moments, cases, distinct, sampled atomic.Int64
}

func (n *census) String() string {
	return fmt.Sprintf("%d workloads, %d moments, %d crashes (%d that differ), %d moments sampled only",
		n.workloads.Load(), n.moments.Load(), n.cases.Load(), n.distinct.Load(), n.sampled.Load())
}

// runTiny runs a workload to its end and returns the computer with every moment of it.
func runTiny(disk *crashdest.Disk, store *statetest.Store, content []byte, steps []step) (*computer, error) {
	comp := newComputer(disk.CrashKeepAll(), store.Copy(), content)
	open := func() (*Clone, error) {
		return Open(context.Background(), unclosed{sourcetest.NewFake(content)}, comp.disk, comp.store, tinyOptions())
	}
	c, err := open()
	if err != nil {
		return nil, fmt.Errorf("open: %w", err)
	}
	for _, s := range append(slices.Clip(steps), step{name: "reopen", sync: true}) {
		if s.name == "reopen" {
			again := c
			s.do = func(context.Context, *Clone) error { return again.Close() }
		}
		if err := comp.do(s, c); err != nil {
			kill(c)
			return nil, fmt.Errorf("%s: %w", s.name, err)
		}
		if s.name == "reopen" {
			if c, err = open(); errors.Is(err, ErrPlain) && comp.store.Image() == nil {
				return comp, nil
			} else if err != nil {
				return nil, fmt.Errorf("open again: %w", err)
			}
		}
	}
	kill(c)
	return comp, nil
}

// lie makes what is mapped something that must not be believed: all is local.
func lie(part []byte) {
	for i := range part[state.HeaderSize:] {
		part[state.HeaderSize+i] = 0xff
	}
}

// crashes goes through everything that a crash at each moment of comp may leave.
func (n *census) crashes(comp *computer, content []byte, most int) error {
	seed := maphash.MakeSeed()
	seen := map[uint64]bool{}
	for k, m := range comp.moments {
		n.moments.Add(1)
		for _, power := range []bool{true, false} {
			var failed error
			ways := 0
			one := func(choose func(int) int) {
				n.cases.Add(1)
				var disk *crashdest.Disk
				var store *statetest.Store
				if power {
					// The one lies about all regions, the other is what it was.
					ways++
					mapped := []func([]byte){nil, lie}[ways%2]
					disk, store = m.disk.CrashAs(choose, false), m.store.CrashAs(choose, false, mapped)
				} else {
					disk, store = m.disk.KillAs(choose), m.store.KillAs(choose)
				}
				h := maphash.Bytes(seed, disk.Image()) ^ 3*maphash.Bytes(seed, durablePart(store, power)) ^ 5*maphash.Comparable(seed, [2]int{m.version, len(comp.moments) * bit(power)})
				if failed != nil || seen[h] {
					return
				}
				seen[h] = true
				n.distinct.Add(1)
				if err := survives(content, disk, store, &m.m, power, after(len(seen))%numAfter); err != nil {
					what := "killed"
					if power {
						what = "power lost"
					}
					failed = fmt.Errorf("%s at moment %d of %d: %w", what, k, len(comp.moments), err)
				}
			}
			if !every(most, uint64(k), one) {
				n.sampled.Add(1)
			}
			if failed != nil {
				return failed
			}
		}
	}
	return nil
}

func bit(b bool) int {
	if b {
		return 1
	}
	return 0
}

// durablePart is what of a state file may count: after a power loss nothing that is mapped.
func durablePart(s *statetest.Store, power bool) []byte {
	b := s.Image()
	if power && b != nil {
		lay, err := state.NewLayout(tinySize, 512)
		if err != nil {
			return nil
		}
		clear(b[2*4096 : lay.VolEnd])
	}
	return b
}

// after is what is done to a clone that has survived a crash, before it is read.
type after int

const (
	thenNothing after = iota
	thenGrow          // it is made longer: what was cut off must not come back
	thenFull          // its disk is full: what is read is not kept
	numAfter
)

// survives opens what a crash has left, and tells what is wrong with it.
func survives(content []byte, disk *crashdest.Disk, store *statetest.Store, m *model, power bool, then after) error {
	ctx := context.Background()
	src := sourcetest.NewFake(content)
	c, err := Open(ctx, unclosed{src}, disk, store, tinyOptions())
	detached := errors.Is(err, ErrPlain) && store.Image() == nil
	if err != nil && !detached {
		return fmt.Errorf("open: %w", err)
	}
	got, added := disk.Image(), 0
	if !detached {
		defer kill(c)
		if c.phase() == state.Live && !state.IsGuard(got) {
			return errors.New("live, and there is no guard")
		}
		cold, size := c.coldBytes(), len(got)
		switch then {
		case thenGrow:
			added = 700
			if err := c.Truncate(ctx, int64(size+added)); err != nil {
				return fmt.Errorf("truncate: %w", err)
			}
		case thenFull:
			c.destFailed(syscall.ENOSPC)
		}
		if got, err = readWhole(c); err != nil {
			return err
		}
		c.destWorks()
		if len(got) != size+added || len(bytes.TrimLeft(got[size:], "\x00")) > 0 {
			return fmt.Errorf("grown from %d to %d it has %d bytes, and not zeros at the end", size, size+added, len(got))
		}
		for i, is := range cold {
			if is && i < size && got[i] != content[i] {
				return fmt.Errorf("byte %d was cold, and is %#x, not the source's (I2, I4)", i, got[i])
			}
		}
	}
	allowed, what := m.isNow, "after kill -9"
	if power {
		allowed, what = m.allows, "after power loss"
	}
	left := got[:len(got)-added]
	if i, ok := allowed(left); !ok {
		return fmt.Errorf("%s: byte %d of %d is wrong (I1, I2, I3, I5): %s", what, i, len(left), m.tell(left, i))
	}
	if detached {
		return nil
	}
	if err := c.Hydrate(ctx, 0, int64(len(content))); err != nil {
		return fmt.Errorf("hydrate: %w", err)
	}
	if err := c.Close(); err != nil {
		return fmt.Errorf("close: %w", err)
	}
	if store.Image() != nil {
		return errors.New("all is local, and it is not detached")
	}
	if i := differ(disk.Image(), got); i >= 0 {
		return fmt.Errorf("complete, byte %d differs from what was read before (I7)", i)
	}
	if n := src.Twice(); n > 0 && then != thenFull {
		return fmt.Errorf("%d bytes were fetched twice (I8)", n)
	}
	return nil
}

// coldBytes tells of each byte of the source whether it is cold.
func (c *Clone) coldBytes() []bool {
	cold := make([]bool, c.geo.size)
	for i := range cold {
		cold[i] = !c.local(c.geo.region(int64(i)))
	}
	return cold
}

func readWhole(c *Clone) ([]byte, error) {
	b := make([]byte, 200_000)
	n, err := c.ReadAt(context.Background(), b, 0)
	if err != io.EOF {
		return nil, fmt.Errorf("read: %w", err)
	}
	return b[:n], nil
}

// tell is what stands at byte i, and what may.
func (m *model) tell(got []byte, i int) string {
	at := func(b []byte) string {
		if i >= len(b) {
			return "nothing"
		}
		return fmt.Sprintf("%#x", b[i])
	}
	may := []string{}
	for _, p := range append(slices.Clip(m.past), m.cur, m.maybe) {
		may = append(may, at(p))
	}
	return fmt.Sprintf("it is %s, may be %s", at(got), strings.Join(may, ", "))
}

// TestExhaustive runs every workload of a few operations on a clone of four regions, and crashes it at
// each operation on dest and state file in every way: each subset of what was not synced, the one
// under way torn in two, with power lost, and with the process killed. What is left is opened, read,
// hydrated, closed and compared.
func TestExhaustive(t *testing.T) {
	most, depth := 1<<8, 2
	if *long {
		most, depth = 1<<10, 3
	}
	if testing.Short() || raceDetector {
		depth = 1
	}
	content := tinyContent()
	disk, store := tinyTemplate(t, content)
	n := new(census)
	kinds := len(tinySteps(0))
	var failures atomic.Int64
	work := make(chan []int)
	var workers sync.WaitGroup
	for range runtime.GOMAXPROCS(0) {
		workers.Go(func() {
			for w := range work {
				var steps []step
				var names []string
				for i, kind := range w {
					steps = append(steps, tinySteps(i)[kind])
					names = append(names, steps[i].name)
				}
				n.workloads.Add(1)
				comp, err := runTiny(disk, store, bytes.Clone(content), steps)
				if err == nil {
					err = n.crashes(comp, content, most)
				}
				if err != nil && failures.Add(1) < 20 {
					t.Errorf("%s: %v", strings.Join(names, "; "), err)
				}
			}
		})
	}
	for length := 0; length <= depth; length++ {
		w := make([]int, length)
		for {
			work <- slices.Clone(w)
			i := length - 1
			for ; i >= 0; i-- {
				if w[i]++; w[i] < kinds {
					break
				}
				w[i] = 0
			}
			if i < 0 {
				break
			}
		}
	}
	close(work)
	workers.Wait()
	t.Log(n)
}
