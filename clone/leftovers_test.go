package clone

import (
	"bytes"
	"context"
	"errors"
	"syscall"
	"testing"

	"hydrant/clone/state"
	"hydrant/clone/state/statetest"
	"hydrant/internal/crashdest"
	"hydrant/internal/faultio"
	"hydrant/source/sourcetest"
)

// A source too short for a guard is complete from the start: after power loss, too, the clone asks
// nothing of it.
func TestShortCloneNeedsNoSource(t *testing.T) {
	content := []byte("short")
	src, disk, store := sourcetest.NewFake(content), new(crashdest.Disk), new(statetest.Store)
	opts := tinyOptions()
	opts.Keep = true
	c, err := Open(context.Background(), unclosed{src}, disk, store, opts)
	if err != nil {
		t.Fatal(err)
	}
	kill(c)
	rng := newRand(1)
	disk, store = disk.Crash(rng), store.Crash(rng)
	src.Remove()
	if c, err = Open(context.Background(), unclosed{src}, disk, store, opts); err != nil {
		t.Fatal(err)
	}
	defer kill(c)
	got, err := readWhole(c)
	if err != nil || !bytes.Equal(got, content) {
		t.Fatalf("%q, %v", got, err)
	}
}

// A change of the guard that could not be synced is not taken for done by the next to come: power is
// lost then, and dest bears the old one.
func TestGuardIsNotTakenForSynced(t *testing.T) {
	content := tinyContent()
	losses := 0
	for k := 1; k < 12; k++ {
		for seed := range uint64(20) {
			disk, store := tinyTemplate(t, content)
			faults := new(faultio.Injector)
			open := func() {
				c, err := Open(context.Background(), unclosed{sourcetest.NewFake(content)}, &faultyDisk{disk, faults}, store, tinyOptions())
				if err == nil {
					kill(c)
				}
			}
			faults.Inject(faultio.Fault{Op: faultio.Sync, K: k, Err: syscall.EIO})
			for range 4 {
				open()
			}
			losses++
			rng := newRand(seed)
			c, err := Open(context.Background(), unclosed{sourcetest.NewFake(content)}, disk.Crash(rng), store.Crash(rng), tinyOptions())
			if err != nil {
				t.Fatalf("%d. sync failed, seed %d: %v", k, seed, err)
			}
			kill(c)
		}
	}
	t.Logf("%d power losses", losses)
}

// A killed process leaves a guard that only the kernel has. The next one does not take that for what the
// disk has, and changes it again: power is lost in the middle of that, and dest bears the guard from
// before both.
func TestGuardOfTheKilledIsNotTakenForSynced(t *testing.T) {
	content := tinyContent()
	attach := func(disk *crashdest.Disk, store *statetest.Store) []moment {
		comp := newComputer(disk, store, content)
		c, err := Open(context.Background(), unclosed{sourcetest.NewFake(content)}, comp.disk, comp.store, tinyOptions())
		if err != nil {
			t.Fatal(err)
		}
		kill(c)
		return comp.moments
	}
	losses := 0
	for i, killed := range attach(tinyTemplate(t, content)) {
		disk, store := killed.disk.CrashKeepAll(), killed.store.Copy()
		for j, lost := range attach(disk, store) {
			for seed := range uint64(10) {
				losses++
				rng := newRand(seed)
				c, err := Open(context.Background(), unclosed{sourcetest.NewFake(content)}, lost.disk.Crash(rng), lost.store.Crash(rng), tinyOptions())
				if err != nil {
					t.Fatalf("killed at moment %d, power lost at moment %d, seed %d: %v", i, j, seed, err)
				}
				kill(c)
			}
		}
	}
	t.Logf("%d power losses", losses)
}

// What a power loss has cut off inside a region stays cut off when dest has grown again, in a copy that
// is adopted as well.
func TestAdoptedCopyKeepsWhatWasCut(t *testing.T) {
	content := tinyContent()
	disk, store := tinyTemplate(t, content)
	d, err := disk.Open()
	if err == nil {
		err = errors.Join(d.Truncate(600), d.Sync())
	}
	f, ferr := store.Open()
	if err = errors.Join(err, ferr); err != nil {
		t.Fatal(err)
	}
	sb, err := state.ReadSuperblock(f)
	if err == nil {
		sb.Cut = tinySize
		err = errors.Join(state.WriteSuperblock(f, sb), f.Close())
	}
	if err != nil {
		t.Fatal(err)
	}
	open := func() *Clone {
		c, err := Open(context.Background(), unclosed{sourcetest.NewFake(content)}, disk, store, tinyOptions())
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	ctx := context.Background()
	c := open()
	if err := errors.Join(c.Hydrate(ctx, 512, 88), c.Sync(ctx)); err != nil {
		t.Fatal(err)
	}
	kill(c)
	c = open()
	if err := errors.Join(c.Truncate(ctx, tinySize), c.Sync(ctx)); err != nil {
		t.Fatal(err)
	}
	kill(c)
	disk, store = disk.CrashKeepAll(), store.Elsewhere()
	if _, err := Adopt(disk, store); err != nil {
		t.Fatal(err)
	}
	c = open()
	defer kill(c)
	want := make([]byte, tinySize)
	copy(want, content[:600])
	if got, err := readWhole(c); err != nil || !bytes.Equal(got, want) {
		t.Fatalf("byte %d is wrong, %v", differ(got, want), err)
	}
}
