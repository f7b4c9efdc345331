package clone

import (
	"context"
	"flag"
	"slices"
	"sync"
	"testing"

	"hydrant/clone/state/statetest"
	"hydrant/internal/crashdest"
)

// long runs the proofs at length: `make prove`.
var (
	long          = flag.Bool("long", false, "run the proofs in memory at length")
	registersSeed = flag.Uint64("registers.seed", 0, "the one run of TestRegisters to run again")
)

// computer is a machine in memory that can be stopped at any moment: a disk for dest, one for the
// state file, both under one power, and the model of what was asked of the clone on them.
type computer struct {
	disk  *crashdest.Disk
	store *statetest.Store
	power sync.Mutex

	mu      sync.Mutex // guards the rest
	m       model
	version int // of m.past
	moments []moment
}

// moment is all that there is of a computer in the middle of one operation.
type moment struct {
	disk    *crashdest.Disk
	store   *statetest.Store
	m       model
	version int
}

// newComputer is one that goes on from what another has left.
func newComputer(disk *crashdest.Disk, store *statetest.Store, cur []byte) *computer {
	c := &computer{disk: disk, store: store}
	c.m.cur = cur
	c.m.synced()
	disk.Moment, disk.Power = c.moment, &c.power
	store.Follow(c.moment, &c.power)
	return c
}

func (c *computer) moment() {
	c.store.Note()
	c.mu.Lock()
	defer c.mu.Unlock()
	m := c.m
	m.past = slices.Clip(m.past)
	c.moments = append(c.moments, moment{c.disk.CrashKeepAll(), c.store.Copy(), m, c.version})
}

// do does one step of a workload, told to the model before it begins and after it has ended.
func (c *computer) do(s step, clone *Clone) error {
	c.mu.Lock()
	if s.is != nil {
		before := c.m.cur
		c.m.cur = s.is(slices.Clone(before))
		if len(c.m.cur) < 16 && len(before) > 16 {
			// It goes by way of a file that is just as long as the guard.
			c.m.past = append(c.m.past, slices.Clone(before[:16]))
		}
		c.m.maybe = before
		c.m.changed()
	}
	c.version++
	c.mu.Unlock()
	err := s.do(context.Background(), clone)
	c.mu.Lock()
	defer c.mu.Unlock()
	if err == nil {
		c.m.maybe = nil
		if s.sync {
			c.m.synced()
			c.version++
		}
	}
	return err
}

// every calls f once for each way in which the choices that f asks for can fall out. After most of
// them it draws as many at random, and returns false.
func every(most int, seed uint64, f func(choose func(n int) int)) bool {
	var digits, bases []int
	for n := 0; ; n++ {
		if n == most {
			rng := newRand(seed)
			for range most {
				f(rng.IntN)
			}
			return false
		}
		at := 0
		f(func(n int) int {
			if at == len(digits) {
				digits, bases = append(digits, 0), append(bases, n)
			}
			at++
			return digits[at-1]
		})
		last := at - 1
		for ; last >= 0; last-- {
			if digits[last]++; digits[last] < bases[last] {
				break
			}
		}
		if last < 0 {
			return true
		}
		digits, bases = digits[:last+1], bases[:last+1]
	}
}

func TestEveryChoiceIsMade(t *testing.T) {
	seen := map[[3]int]int{}
	if !every(1000, 0, func(choose func(int) int) {
		a := choose(3)
		c := [3]int{a, -1, -1}
		if a > 0 {
			c[1] = choose(2)
			c[2] = choose(a + 1)
		}
		seen[c]++
	}) {
		t.Error("not all")
	}
	if len(seen) != 1+2*2+2*3 {
		t.Errorf("%d ways: %v", len(seen), seen)
	}
	for c, n := range seen {
		if n != 1 {
			t.Errorf("%v %d times", c, n)
		}
	}
}
