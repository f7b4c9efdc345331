package clone

import (
	"bytes"
	"context"
	"errors"
	"syscall"
	"testing"

	"hydrant/clone/state"
	"hydrant/internal/faultio"
)

// After a sync that failed nothing may be believed but what was durable before: the clone is
// read-only for everyone before the error is returned, syncs are not tried again, and no process
// to come believes more.
func TestFailedSyncMakesReadOnly(t *testing.T) {
	ctx := context.Background()
	r := newRig(t, 300_000, quiet, keep)
	faults, _ := faulty(r)
	first := r.open()
	other := r.open()
	r.write([]byte("durable"), 1000)
	if err := r.c.Sync(ctx); err != nil {
		t.Fatal(err)
	}
	r.write(fill('x', 512), 102_400)
	faults.Inject(faultio.Fault{Op: faultio.Sync, K: 1, Err: syscall.EIO})
	if err := r.c.Sync(ctx); !errors.Is(err, ErrReadOnly) || !errors.Is(err, syscall.EIO) {
		t.Fatalf("sync: %v", err)
	}
	for _, c := range []*Clone{first, other} {
		c.idle() // the keepers' own commits may have been under way
	}
	tried := faults.Count(faultio.Sync)
	want := bytes.Clone(r.content)
	copy(want[1000:], "durable")
	copy(want[102_400:], fill('x', 512))
	for _, c := range []*Clone{first, other} {
		r.c = c
		for name, err := range map[string]error{
			"sync":     c.Sync(ctx),
			"write":    second(c.WriteAt(ctx, []byte("y"), 102_400)),
			"whole":    second(c.WriteAt(ctx, fill('y', 512), 204_800)),
			"discard":  c.Discard(ctx, 0, 10_000),
			"truncate": c.Truncate(ctx, 10),
			"hydrate":  c.Hydrate(ctx, 204_800, 10),
			"wait":     c.Wait(ctx),
		} {
			if !errors.Is(err, ErrReadOnly) {
				t.Errorf("%s: %v, want ErrReadOnly", name, err)
			}
		}
		r.expect(want) // by the maps in memory, cold regions from the source
		if c.local(204_800 / 512) {
			t.Error("a cold region was kept")
		}
		if s := c.Status(); s.Mode != "ro" || s.Error == "" {
			t.Errorf("status %+v", s)
		}
	}
	other.Close()
	first.Close()
	if n := faults.Count(faultio.Sync); n != tried {
		t.Errorf("%d more syncs were tried", n-tried)
	}

	// What failed to be synced stays unknown for those to come.
	for range 2 {
		r.open()
		if s := r.c.Status(); s.Mode != "ro" || s.Error == "" {
			t.Errorf("reopened: status %+v", s)
		}
		if got := r.read(1000, 7); string(got) != "durable" {
			t.Errorf("reopened: what was durable reads %q", got)
		}
		if _, err := r.c.WriteAt(ctx, []byte("y"), 0); !errors.Is(err, ErrReadOnly) {
			t.Errorf("reopened: write: %v", err)
		}
		kill(r.c)
	}
}

// idle waits until no commit is under way.
func (c *Clone) idle() {
	for {
		c.commits.mu.Lock()
		running := c.commits.running
		c.commits.mu.Unlock()
		if running == nil {
			return
		}
		<-running.done
	}
}

func second(_ int, err error) error { return err }

// A sync that fails at attach, for what the kernel lost since, counts like any other.
func TestFailedSyncAtAttachMakesReadOnly(t *testing.T) {
	r := newRig(t, 300_000, quiet, keep)
	faults, _ := faulty(r)
	r.open()
	r.write(fill('x', 512), 102_400)
	kill(r.c)
	d, err := state.OpenDurable(r.c.st.File, r.c.st.Layout, r.c.uuid)
	if err != nil {
		t.Fatal(err)
	}
	want := bytes.Clone(r.content)
	if maps, _ := d.Maps(); maps[state.Written][200/64]>>(200%64)&1 == 1 {
		copy(want[102_400:], fill('x', 512)) // the keeper was quicker than the kill
	}
	faults.Inject(faultio.Fault{Op: faultio.Sync, K: 1})
	r.open()
	if s := r.c.Status(); s.Mode != "ro" || s.Error == "" {
		t.Errorf("status %+v", s)
	}
	r.expect(want)
}

// A record that cannot be written is a sync that failed.
func TestFailedRecordMakesReadOnly(t *testing.T) {
	r := newRig(t, 300_000, quiet, keep)
	_, faults := faulty(r)
	r.open()
	// From before the write on, and for good: the keeper may be the first to write a record, or a trace.
	faults.Inject(faultio.Fault{Op: faultio.Write, K: 1, Sticky: true})
	r.write(fill('x', 512), 102_400)
	if err := r.c.Sync(context.Background()); !errors.Is(err, ErrReadOnly) {
		t.Fatalf("sync: %v", err)
	}
	if r.c.mode() != state.ReadOnly {
		t.Error("not read-only")
	}
}

// Many syncs at once share commits: none returns before one that began after it came.
func TestSyncsShareCommits(t *testing.T) {
	r, disk := crashRig(t, 300_000, quiet, keep)
	r.open()
	ctx := context.Background()
	errs := make(chan error)
	for i := range int64(50) {
		go func() {
			off := 70_000/512*512 + i*512
			if _, err := r.c.WriteAt(ctx, fill(byte(i+1), 512), off); err != nil {
				errs <- err
				return
			}
			if err := r.c.Sync(ctx); err != nil {
				errs <- err
				return
			}
			// durable now, whatever happens: on the disk, and in the record
			img := disk.Crash(newRand(uint64(i))).Image()
			d, err := state.OpenDurable(r.c.st.File, r.c.st.Layout, r.c.uuid)
			if err == nil {
				maps, _ := d.Maps()
				region := off / 512
				if !bytes.Equal(img[off:off+512], fill(byte(i+1), 512)) || maps[state.Written][region/64]>>(region%64)&1 == 0 {
					err = errors.New("returned before it was durable")
				}
			}
			errs <- err
		}()
	}
	for range 50 {
		if err := <-errs; err != nil {
			t.Error(err)
		}
	}
}

// Whoever judges a clone in mode ro may be killed in the middle of it: the next one finds that mode.
func TestModeOutlivesWhoDiesJudging(t *testing.T) {
	r := newRig(t, 30_000, quiet)
	r.open()
	r.c.setMode(state.ReadOnly, syscall.EIO)
	kill(r.c)
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
	st.Reset(durable) // and then it is killed
	if err := f.Close(); err != nil {
		t.Fatal(err)
	}
	if got := r.open().mode(); got != state.ReadOnly {
		t.Errorf("mode %v, want ro", got)
	}
}
