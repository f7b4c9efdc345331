package clone

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"hydrant/clone/state"
	"hydrant/dest"
	"hydrant/source/sourcetest"
)

// family opens one clone on a real file several times over. To the kernel, and to the engine, each
// is a process of its own: locks belong to open files.
type family struct {
	t    *testing.T
	path string
	src  *sourcetest.Fake
	opts Options
}

func (f *family) open() *Clone {
	f.t.Helper()
	c, err := OpenPath(context.Background(), unclosed{f.src}, f.path, &f.opts)
	if err != nil {
		f.t.Fatal(err)
	}
	f.t.Cleanup(func() { c.Close() })
	return c
}

// Four processes read and write at random; one is killed in the middle, and another takes its
// place. Nothing that was answered is lost, and nobody is left waiting.
func TestProcessesShareAClone(t *testing.T) {
	if state.BootID() == [16]byte{} {
		t.Skip("one process at a time here")
	}
	size, rounds := int64(32<<20+777), 250
	if testing.Short() || raceDetector {
		size, rounds = 16<<20+777, 60
	}
	for seed := range uint64(2) {
		o := newOracle(size, 4)
		f := &family{t: t, path: filepath.Join(t.TempDir(), "blob"), src: sourcetest.NewVirtual(o.blob, size)}
		f.opts.Knobs.Bandwidth = knob(size / 2)
		f.opts.Knobs.Batch = knob(int64(256 << 10))
		ctx := context.Background()
		var load sync.WaitGroup
		for w := range o.writers {
			c := f.open()
			load.Go(func() {
				if err := o.run(ctx, c, w, seed, rounds); err != nil {
					t.Error(err)
				}
				if w%2 == 0 { // and another process goes on from there
					kill(c)
					c = f.open()
				}
				if err := o.run(ctx, c, w, seed+100, rounds); err != nil {
					t.Error(err)
				}
				c.Tune(Knobs{Bandwidth: knob(int64(0))})
				wait, cancel := context.WithTimeout(ctx, 30*time.Second)
				defer cancel()
				if err := c.Wait(wait); err != nil {
					t.Errorf("wait: %v; %+v", err, c.Status())
				}
				if err := c.Close(); err != nil {
					t.Error(err)
				}
			})
		}
		load.Wait()
		if err := o.final(f.path); err != nil {
			t.Error(err)
		}
		if _, err := os.Stat(f.path + "-hydrant"); !os.IsNotExist(err) {
			t.Errorf("state file: %v", err)
		}
	}
}

// When the process that hydrates dies, another one takes over.
func TestAnotherProcessHydratesWhenOneDies(t *testing.T) {
	if state.BootID() == [16]byte{} {
		t.Skip("one process at a time here")
	}
	o := newOracle(8<<20, 1)
	f := &family{t: t, path: filepath.Join(t.TempDir(), "blob"), src: sourcetest.NewVirtual(o.blob, o.size)}
	f.opts.Knobs.Bandwidth = knob(int64(64 << 10))
	f.opts.Knobs.Batch = knob(int64(64 << 10))
	a := f.open()
	for a.head().HydBeat.Load() == 0 {
		time.Sleep(time.Millisecond)
	}
	f.opts.Knobs = Knobs{}
	b := f.open()
	kill(a)
	b.Tune(Knobs{Bandwidth: knob(int64(0))})
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	if err := b.Wait(ctx); err != nil {
		t.Fatalf("%v; %+v", err, b.Status())
	}
	if err := b.Close(); err != nil {
		t.Error(err)
	}
	if err := o.final(f.path); err != nil {
		t.Error(err)
	}
}

// The names of side files hold still while one process uses them, and change once for all.
func TestNamesOfSideFilesChangeOnceForAll(t *testing.T) {
	if state.BootID() == [16]byte{} {
		t.Skip("one process at a time here")
	}
	o := newOracle(1<<20, 1)
	f := &family{t: t, path: filepath.Join(t.TempDir(), "app.db"), src: sourcetest.NewVirtual(o.blob, o.size)}
	quiet(&f.opts)
	keep(&f.opts)
	ctx := context.Background()
	a, b := f.open(), f.open()
	private := PrivateName(f.path, "-wal")
	if err := os.WriteFile(private, []byte("frames"), 0o644); err != nil {
		t.Fatal(err)
	}
	completed := make(chan error, 1)
	err := a.Companions(func(isPrivate bool) error {
		if !isPrivate {
			t.Error("public before it is complete")
		}
		go func() {
			if err := b.Hydrate(ctx, 0, o.size); err != nil {
				completed <- err
				return
			}
			completed <- b.tryComplete(ctx, false)
		}()
		time.Sleep(50 * time.Millisecond)
		if _, err := os.Stat(private); err != nil {
			t.Errorf("the name changed under a call that uses it: %v", err)
		}
		// A second one may come in; it is not to wait for the exclusive one, which waits for us.
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := <-completed; err != nil {
		t.Fatal(err)
	}
	for _, c := range []*Clone{a, b} {
		c.Companions(func(isPrivate bool) error {
			if isPrivate {
				t.Error("private after it is complete")
			}
			return nil
		})
	}
	if got, err := os.ReadFile(f.path + "-wal"); err != nil || string(got) != "frames" {
		t.Errorf("public side file: %q, %v", got, err)
	}
}

// A process that was stopped with a claim in its hands delays others, and nobody for ever: reads
// are answered, writes say why not.
func TestStoppedProcessHoldsNobodyUpForEver(t *testing.T) {
	r := newRig(t, 1<<20, quiet, keep)
	r.opts.Knobs.Timeout = knob(600 * time.Millisecond)
	stopped := r.open()
	other := r.open()
	release, err := stopped.claims.acquire(context.Background(), span{1024, 1100})
	if err != nil {
		t.Fatal(err)
	}
	r.c = other
	if got := r.read(520_000, 60_000); differ(got, r.content[520_000:580_000]) >= 0 {
		t.Error("wrong bytes")
	}
	ctx := context.Background()
	if _, err := other.WriteAt(ctx, make([]byte, 512), 1024*512); !errors.Is(err, ErrBusy) {
		t.Errorf("write: %v", err)
	}
	if _, err := other.WriteAt(ctx, make([]byte, 10), 1024*512); !errors.Is(err, ErrBusy) {
		t.Errorf("partial write: %v", err)
	}
	if err := other.Truncate(ctx, 1000*512); !errors.Is(err, ErrBusy) {
		t.Errorf("truncate: %v", err)
	}
	release()
	r.expect(r.content)
	other.Close()
	stopped.Close()
}

func TestDetachIsRefusedWhileOthersHaveItOpen(t *testing.T) {
	r := newRig(t, 1000, keep)
	a, b := r.open(), r.open()
	r.wait()
	ctx := context.Background()
	if err := a.Detach(ctx); !errors.Is(err, ErrBusy) {
		t.Errorf("detach: %v", err)
	}
	r.expect(r.content)
	b.Close()
	if r.store.Image() == nil {
		t.Error("the state file is gone although it is to be kept")
	}
	if err := a.Detach(ctx); err != nil {
		t.Errorf("detach: %v", err)
	}
	if r.store.Image() != nil {
		t.Error("the state file is there")
	}
	r.c = a
	r.expect(r.content)
	r.write([]byte("plain"), 10)
	if s := a.Status(); s.State != StateDetached {
		t.Errorf("status %+v", s)
	}
	if err := a.Close(); err != nil {
		t.Error(err)
	}

	r = newRig(t, 200_000, quiet)
	c := r.open()
	if err := c.Detach(ctx); !errors.Is(err, ErrIncomplete) {
		t.Errorf("detach: %v", err)
	}
}

// A process died after it had appended a record and before it said so. Whoever joins reads that
// record, and says so: others would write over it, and what the joiner then appends would lie
// behind a gap.
func TestJoinerSaysHowFarTheLogGoes(t *testing.T) {
	ctx := context.Background()
	r := newRig(t, 300_000, quiet, keep)
	a, dying := r.open(), r.open()
	if err := a.Sync(ctx); err != nil {
		t.Fatal(err)
	}
	dying.logMu.Lock()
	err := dying.durable.CatchUp(dying.head().LogGen.Load(), dying.head().LogSeq.Load())
	snap := dying.st.Snapshot()
	snap[state.Written][4] |= 1 << 3
	if err == nil {
		err = dying.durable.Append(snap, dying.head().GetFirst())
	}
	dying.logMu.Unlock()
	if err != nil {
		t.Fatal(err)
	}
	_, said := dying.durable.Position()
	kill(dying)
	f, err := r.store.Open()
	if err != nil {
		t.Fatal(err)
	}
	st, err := state.Load(f)
	if err != nil {
		t.Fatal(err)
	}
	o := &opening{dst: r.dst, store: r.store}
	st.Head.LogSeq.Store(said - 1) // as it died before it could
	if _, _, err := o.join(ctx, st); err != nil {
		t.Fatal(err)
	}
	if seq := st.Head.LogSeq.Load(); seq < said {
		t.Errorf("%d records are said to be in the log after joining, %d are", seq, said)
	}
	f.Close()
	a.Close()
}

// hooked calls hook before it is read.
type hooked struct {
	dest.Dest
	hook func()
}

func (d *hooked) ReadAt(p []byte, off int64) (int, error) {
	d.hook()
	return d.Dest.ReadAt(p, off)
}

// The guard may come down between two looks of one who joins: at dest, and at the phase.
func TestJoinerMeetsCompletion(t *testing.T) {
	r := newRig(t, 300_000, quiet, keep)
	c := r.open()
	o := &opening{dst: r.dst, store: r.store}
	d := &hooked{c.dst, func() {
		if c.phase() == state.Live {
			r.hydrateAll()
			r.wait()
		}
	}}
	if err := o.ownFront(d, c.st.Super, c.head()); err != nil {
		t.Error(err)
	}
	if c.phase() != state.Complete {
		t.Error("not complete: the test shows nothing")
	}
}
