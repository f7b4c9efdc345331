package clone

import (
	"bytes"
	"context"
	"errors"
	"io"
	"math"
	"syscall"
	"testing"

	"hydrant/clone/state"
	"hydrant/internal/crashdest"
)

// crashRig is a rig on a disk that can lose power.
func crashRig(t testing.TB, size int64, change ...func(*Options)) (*rig, *crashdest.Disk) {
	r := newRig(t, size, change...)
	disk := &crashdest.Disk{}
	r.dst = disk
	return r, disk
}

// powerLoss kills the clone and takes from the disk what was not synced, or with keep nothing.
func (r *rig) powerLoss(keep bool, seed uint64) {
	r.t.Helper()
	disk := r.dst.(*crashdest.Disk)
	kill(r.c)
	if keep {
		disk = disk.CrashKeepAll()
	} else {
		disk = disk.Crash(newRand(seed))
	}
	r.dst = disk
	r.store.Mount++
	r.open()
}

// What a truncation cut off does not come back, although power was lost before the record of it
// was durable and dest then grew again.
func TestTruncatedStaysCutAfterPowerLoss(t *testing.T) {
	ctx := context.Background()
	for _, cut := range []int64{16, 700, 1024, 5000} {
		for name, grow := range map[string]func(r *rig){
			"truncate far": func(r *rig) { r.c.Truncate(ctx, 20_000) },
			"truncate":     func(r *rig) { r.c.Truncate(ctx, 9_000) },
			"write beyond": func(r *rig) { r.write([]byte("x"), 19_999) },
			"write":        func(r *rig) { r.write([]byte("x"), 8_999) },
		} {
			r, _ := crashRig(t, 10_000, quiet, keep)
			r.open()
			if err := r.c.Truncate(ctx, cut); err != nil {
				t.Fatal(err)
			}
			r.powerLoss(true, 0)
			if size, _ := r.c.Size(); size != cut {
				t.Fatalf("cut at %d: %d bytes after power loss", cut, size)
			}
			grow(r)
			size, _ := r.c.Size()
			want := append(bytes.Clone(r.content[:cut]), make([]byte, size-cut)...)
			if name[0] == 'w' {
				want[size-1] = 'x'
			}
			// and again, now that dest is long
			r.powerLoss(true, 0)
			r.expect(want)
			kill(r.c)
		}
	}
}

// What was cut off does not come from the source either where nothing can be kept of that: neither in a
// clone that is read-only nor in one whose disk is full.
func TestTruncatedStaysCutWhereNothingIsKept(t *testing.T) {
	ctx := context.Background()
	for what, hinder := range map[string]func(c *Clone){
		"read-only": func(c *Clone) { c.setMode(state.ReadOnly, errors.New("a sync failed")) },
		"full":      func(c *Clone) { c.destFailed(syscall.ENOSPC) },
	} {
		for _, cut := range []int64{40, 700, 1024, 5000} {
			r, _ := crashRig(t, 10_000, quiet, keep)
			r.open()
			if err := r.c.Truncate(ctx, cut); err != nil {
				t.Fatal(err)
			}
			r.powerLoss(true, 0)
			hinder(r.c)
			for _, off := range []int64{0, cut / 2, cut - 1, cut, cut + 10, 9000} {
				want := r.content[min(off, cut):cut]
				b := make([]byte, 6000)
				n, err := r.c.ReadAt(ctx, b, off)
				if err != io.EOF || !bytes.Equal(b[:n], want) {
					t.Errorf("%s, cut at %d: %d bytes at %d, want %d: %v", what, cut, n, off, len(want), err)
				}
			}
			kill(r.c)
		}
	}
}

// A discard of less than a region, or across a border without a whole region, changes nothing: in
// dm-clone it discarded other regions.
func TestDiscardInsideARegionChangesNothing(t *testing.T) {
	ctx := context.Background()
	r := newRig(t, 10_000, quiet, keep)
	r.open()
	r.write([]byte("written"), 3000)
	want := bytes.Clone(r.content)
	copy(want[3000:], "written")
	before := r.c.Status()
	for _, d := range [][2]int64{{0, 0}, {0, 511}, {1, 511}, {100, 100}, {500, 500}, {511, 512}, {2600, 400}, {9_500, 450}, {9_729, 100},
		{10_000, 512}, {10_000, 100_000}, {20_000, 1}, {math.MaxInt64 - 10, 5}, {math.MaxInt64, 0}} {
		if err := r.c.Discard(ctx, d[0], d[1]); err != nil {
			t.Errorf("discard %d at %d: %v", d[1], d[0], err)
		}
	}
	if s := r.c.Status(); s.RegionsHydrated != before.RegionsHydrated || s.RegionsWritten != before.RegionsWritten {
		t.Errorf("bits changed: %+v", s)
	}
	r.expect(want)
}

func TestDiscardIsZerosAndFetchesNothing(t *testing.T) {
	r := newRig(t, 10_000, quiet, keep)
	r.open()
	requests := r.src.Requests()
	for _, d := range [][2]int64{{0, 600}, {1000, 3000}, {9_700, 300}} {
		if err := r.c.Discard(context.Background(), d[0], d[1]); err != nil {
			t.Fatal(err)
		}
	}
	if n := r.src.Requests() - requests; n != 0 {
		t.Errorf("%d requests", n)
	}
	want := bytes.Clone(r.content)
	clear(want[0:512])
	clear(want[1024:3584])
	clear(want[9728:]) // the last, short region is whole
	r.expect(want)
	kill(r.c)
	r.open()
	r.expect(want)
}

// That dest was found short is durable before anything can make it long again.
func TestShortDestIsRecordedAtOnce(t *testing.T) {
	r, _ := crashRig(t, 10_000, quiet, keep)
	r.open()
	kill(r.c)
	d, err := r.dst.Open()
	if err != nil {
		t.Fatal(err)
	}
	if err := d.Truncate(1024); err != nil {
		t.Fatal(err)
	}
	f, err := r.store.Open()
	if err != nil {
		t.Fatal(err)
	}
	st, err := state.Load(f)
	if err != nil {
		t.Fatal(err)
	}
	durable, err := state.OpenDurable(f, st.Layout, st.Super.UUID)
	if err != nil {
		t.Fatal(err)
	}
	st.Reset(durable)
	if err := localBeyond(st, d, durable); err != nil {
		t.Fatal(err)
	}
	again, err := state.OpenDurable(f, st.Layout, st.Super.UUID)
	if err != nil {
		t.Fatal(err)
	}
	maps, _ := again.Maps()
	for m, words := range maps {
		if m := state.Map(m); m != state.Hydrated && words[0] != (1<<20-1)&^3 { // regions 2 to 19
			t.Errorf("map %d is %b", m, words[0])
		}
	}
}

// A power loss may keep a cut, and a write behind it that ends inside a region, and lose the bits of
// both. What was cut off there stays cut off when dest grows again, whatever happens next.
func TestDestThatEndsInsideAColdRegion(t *testing.T) {
	ctx := context.Background()
	const cut = 150_300
	for name, grow := range map[string]func(c *Clone) error{
		"truncate":          func(c *Clone) error { return c.Truncate(ctx, 250_000) },
		"truncate, not far": func(c *Clone) error { return c.Truncate(ctx, 151_000) },
		"write":             func(c *Clone) error { _, err := c.WriteAt(ctx, []byte{0}, 249_999); return err },
		"write, not far":    func(c *Clone) error { _, err := c.WriteAt(ctx, []byte{0}, 150_999); return err },
	} {
		r, disk := crashRig(t, 200_000, quiet, keep)
		r.opts.window = 512
		r.open()
		if err := r.c.allowCut(ctx, cut); err != nil { // as truncating does it, before anything else
			t.Fatal(err)
		}
		kill(r.c)
		d, err := disk.Open()
		if err == nil {
			err = errors.Join(d.Truncate(cut), d.Sync())
		}
		if err != nil {
			t.Fatal(err)
		}
		r.powerLoss(true, 0)
		if err := grow(r.c); err != nil {
			t.Fatal(err)
		}
		size, err := r.c.Size()
		if err != nil {
			t.Fatal(err)
		}
		want := append(bytes.Clone(r.content[:cut]), make([]byte, size-cut)...)
		r.powerLoss(true, 0) // and nobody has read it yet
		r.expect(want)
		if err := r.c.Close(); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}
