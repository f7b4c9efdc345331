package clone

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"

	"hydrant/clone/state/statetest"
	"hydrant/internal/crashdest"
	"hydrant/source/sourcetest"
)

// TestTornPowerLoss takes the power away in the middle of every operation on dest and state file, from
// creation to the end. What was not synced survives in any order, torn in sectors of 512 bytes or 4
// KiB, each file by itself; names whose folder was not synced are there or not; and shared memory is
// a mixture, by sectors, of all that it ever was.
func TestTornPowerLoss(t *testing.T) {
	seeds := uint64(5)
	if *long {
		seeds = 100
	} else if testing.Short() || raceDetector {
		seeds = 1
	}
	content := crashContent()
	moments, crashes := 0, 0
	for name, steps := range workloads {
		for _, window := range []int64{0, 512} {
			if raceDetector && (window > 0 || name != "write") {
				continue // minutes, of which nothing is concurrent
			}
			comp := newComputer(new(crashdest.Disk), new(statetest.Store), bytes.Clone(content))
			opts := tinyOptions()
			opts.window = window
			c, err := Open(context.Background(), unclosed{sourcetest.NewFake(content)}, comp.disk, comp.store, opts)
			if err != nil {
				t.Fatal(err)
			}
			for _, s := range append(steps[:len(steps):len(steps)], step{name: "close", sync: true, do: func(context.Context, *Clone) error { return c.Close() }}) {
				if err := comp.do(s, c); err != nil {
					t.Fatalf("%s: %s: %v", name, s.name, err)
				}
			}
			for k, m := range comp.moments {
				moments++
				for seed := range seeds {
					crashes++
					rng := rand.New(rand.NewPCG(seed, uint64(k)))
					disk, store := m.disk.Crash(rng), m.store.Crash(rng)
					if err := survives(content, disk, store, &m.m, true, after(seed)%numAfter); err != nil {
						t.Errorf("%s, window %d, moment %d of %d, seed %d: %v", name, window, k, len(comp.moments), seed, err)
						break
					}
				}
			}
		}
	}
	t.Logf("%d moments, %d crashes", moments, crashes)
}

// TestEveryCrashWhileCreating crashes a clone in the middle of each operation of its creation, in every
// way: it can always be opened again, and is the source then.
func TestEveryCrashWhileCreating(t *testing.T) {
	for _, size := range []int64{0, 1, 15, 16, 17, 511, 512, 513, tinySize} {
		content := tinyContent()[:size]
		for _, keeps := range []bool{true, false} {
			comp := newComputer(new(crashdest.Disk), new(statetest.Store), content)
			opts := tinyOptions()
			opts.Keep = keeps
			c, err := Open(context.Background(), unclosed{sourcetest.NewFake(content)}, comp.disk, comp.store, opts)
			if err == nil {
				err = c.Close()
			}
			if err != nil {
				t.Fatal(err)
			}
			for k, m := range comp.moments {
				for _, power := range []bool{true, false} {
					var failed error
					all := every(1<<12, uint64(k), func(choose func(int) int) {
						var disk *crashdest.Disk
						var store *statetest.Store
						if power {
							disk, store = m.disk.CrashAs(choose, true), m.store.CrashAs(choose, true, lie)
						} else {
							disk, store = m.disk.KillAs(choose), m.store.KillAs(choose)
						}
						if err := survivesCreation(content, disk, store, &m.m, power); err != nil && failed == nil {
							failed = err
						}
					})
					if failed != nil {
						t.Errorf("%d bytes, power lost %v, moment %d of %d: %v", size, power, k, len(comp.moments), failed)
					}
					if !all {
						t.Errorf("%d bytes, moment %d: more ways than were tried", size, k)
					}
				}
			}
		}
	}
}

// survivesCreation is survives for a clone that may still have been kept, and detached by hand.
func survivesCreation(content []byte, disk *crashdest.Disk, store *statetest.Store, m *model, power bool) error {
	if store.Image() != nil {
		o := tinyOptions()
		c, err := Open(context.Background(), unclosed{sourcetest.NewFake(content)}, disk, store, o)
		if errors.Is(err, ErrPlain) && store.Image() == nil {
			return plainIs(disk, content)
		}
		if err != nil {
			return fmt.Errorf("open: %w", err)
		}
		got, err := readWhole(c)
		if i := differ(got, content); err != nil || i >= 0 {
			kill(c)
			return fmt.Errorf("byte %d is wrong: %w", i, err)
		}
		if err := c.Hydrate(context.Background(), 0, int64(len(content))); err != nil {
			kill(c)
			return fmt.Errorf("hydrate: %w", err)
		}
		if err := errors.Join(c.Detach(context.Background()), c.Close()); err != nil {
			return fmt.Errorf("detach: %w", err)
		}
		return plainIs(disk, content)
	}
	return survives(content, disk, store, m, power, thenNothing)
}

func plainIs(disk *crashdest.Disk, want []byte) error {
	if i := differ(disk.Image(), want); i >= 0 {
		return fmt.Errorf("in the end byte %d of dest is wrong", i)
	}
	return nil
}
