package clone

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"hydrant/clone/state"
	"hydrant/internal/crashdest"
	"hydrant/source/sourcetest"
)

// copied runs a workload, syncs, and returns the files as somebody copies them who has killed the
// process, with what they hold.
func copied(t *testing.T, steps []step) (r *rig, want []byte) {
	ctx := context.Background()
	content := crashContent()
	disk := &crashdest.Disk{}
	r = &rig{t: t, content: content, src: sourcetest.NewFake(content), dst: disk, store: &state.MemoryStore{}}
	r.opts.RegionSize = 512
	quiet(&r.opts)
	keep(&r.opts)
	r.opts.Quiesce = func(context.Context, func() error) error { return errors.New("not now") }
	r.open()
	want = bytes.Clone(content)
	for _, s := range append(slices.Clip(steps), syncStep) {
		if err := s.do(ctx, r.c); err != nil {
			t.Fatalf("%s: %v", s.name, err)
		}
		if s.is != nil {
			want = s.is(want)
		}
	}
	kill(r.c)
	r.opts.Quiesce = nil
	// What was copied a moment ago is not on the disk yet.
	twin := &crashdest.Disk{}
	put(t, twin, disk.Image())
	r.dst = twin
	img := r.store.Image()
	r.store = &state.MemoryStore{}
	r.store.SetImage(img)
	return r, want
}

// A copy of a clone that was in use becomes one of its own, whenever the process that adopts it
// dies, or power is lost: until then it is refused, and from then on it reads as the original.
func TestDeathWhileAdopting(t *testing.T) {
	seeds := uint64(4)
	if testing.Short() || raceDetector {
		seeds = 1
	}
	for name, steps := range workloads {
		if strings.HasPrefix(name, "cut") {
			continue
		}
		for seed := range 4*seeds + 1 { // 0: death without loss of power
			for k := 1; ; k++ {
				what := fmt.Sprintf("%s, death at operation %d, seed %d", name, k, seed)
				r, want := copied(t, steps)
				if _, err := r.tryOpen(); !errors.Is(err, ErrCopied) || !strings.Contains(err.Error(), "hydrant adopt crashdest") {
					t.Fatalf("%s: open before: %v", what, err)
				}
				disk := r.dst.(*crashdest.Disk)
				l := &life{left: k, store: r.store}
				a, err := Adopt(&mortalTarget{disk, l}, &mortalStore{r.store, l})
				died := l.isDead()
				if !died && (err != nil || !a.Needed) {
					t.Fatalf("%s: %+v, %v", what, a, err)
				}
				if died {
					l.over()
				}
				if seed > 0 {
					r.dst = disk.Crash(newRand(seed))
					r.store.Mount++
					if died && k == 1 {
						continue // before it was synced: nobody has been told anything yet
					}
				}
				if c, err := r.tryOpen(); err == nil {
					kill(c)
				} else if !died || !errors.Is(err, ErrCopied) {
					t.Fatalf("%s: open: %v", what, err)
				} else if _, err := Adopt(r.dst, r.store); err != nil {
					t.Fatalf("%s: again: %v", what, err)
				}
				got := r.reopen(what)
				if i := differ(got, want); i >= 0 {
					t.Fatalf("%s: byte %d is wrong", what, i)
				}
				if sb, err := state.ReadSuperblock(r.c.st.File); err != nil || sb.Adopts != [16]byte{} {
					t.Fatalf("%s: the superblock still speaks of another's guard (%v)", what, err)
				}
				finish(r, what, got)
				if !died {
					if k < 5 {
						t.Fatalf("only %d operations", k)
					}
					break
				}
			}
		}
	}
}

// Dest may have been copied at another moment than its state file. What was not written here is
// fetched again, and the source is not asked for anything before.
func TestAdoptBelievesOnlyWhatWasWritten(t *testing.T) {
	steps := []step{hydrateStep(0, 79_000), writeStep(66_000, fill('a', 100)), writeStep(2, fill('b', 3))}
	r, want := copied(t, steps)
	d, err := r.dst.Open()
	if err != nil {
		t.Fatal(err)
	}
	d.WriteAt(fill('?', 60_000), 1024) // hydrated since
	d.Close()
	r.src.Plan(func(sourcetest.Request) sourcetest.Fault { return sourcetest.Fault{Err: errors.New("gone")} })
	a, err := Adopt(r.dst, r.store)
	if err != nil || !a.Needed || a.Written != 3 || a.Cold < 140 {
		t.Fatalf("%+v, %v", a, err)
	}
	r.src.Plan(nil)
	if i := differ(r.reopen("adopted"), want); i >= 0 {
		t.Errorf("byte %d is wrong", i)
	}
	kill(r.c)
	if a, err := Adopt(r.dst, r.store); err != nil || a.Needed {
		t.Errorf("adopting again: %+v, %v", a, err)
	}
}

// The copy is a clone of its own: its files and the original's are not taken for each other's.
func TestAdoptedAndOriginalStayApart(t *testing.T) {
	f, path := pathRig(t)
	c := f.open()
	if _, err := c.WriteAt(context.Background(), []byte("mine"), 5000); err != nil {
		t.Fatal(err)
	}
	if err := c.Sync(context.Background()); err != nil {
		t.Fatal(err)
	}
	twin := filepath.Join(t.TempDir(), "twin")
	copyFile(t, path, twin)
	copyFile(t, path+"-hydrant", twin+"-hydrant")
	if err := os.Chmod(twin+"-hydrant", 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := AdoptPath(path); !errors.Is(err, ErrBusy) {
		t.Errorf("in use: %v", err)
	}
	if a, err := AdoptPath(twin); err != nil || !a.Needed || a.Written != 1 {
		t.Fatalf("%+v, %v", a, err)
	}
	if info, err := os.Stat(twin + "-hydrant"); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("its state file: %v, %v", info.Mode(), err)
	}
	kill(c)
	if left, _ := filepath.Glob(twin + "*"); len(left) != 2 {
		t.Errorf("files: %v", left)
	}
	mixed := filepath.Join(t.TempDir(), "mixed")
	for _, of := range [][2]string{{path, twin}, {twin, path}} {
		copyFile(t, of[0], mixed)
		copyFile(t, of[1]+"-hydrant", mixed+"-hydrant")
		if _, err := OpenPath(context.Background(), unclosed{f.src}, mixed, &f.opts); !errors.Is(err, ErrMismatch) {
			t.Errorf("mixed: %v", err)
		}
		if _, err := AdoptPath(mixed); !errors.Is(err, ErrMismatch) {
			t.Errorf("mixed, adopt: %v", err)
		}
	}
	f.path = twin
	b := f.open()
	got := make([]byte, 4)
	if _, err := b.ReadAt(context.Background(), got, 5000); err != nil || string(got) != "mine" {
		t.Errorf("%q, %v", got, err)
	}
	if b.UUID() == c.UUID() {
		t.Error("one uuid for both")
	}
}

func pathRig(t *testing.T) (*family, string) {
	if state.BootID() == [16]byte{} {
		t.Skip("one process at a time here")
	}
	o := newOracle(1<<20, 1)
	f := &family{t: t, path: filepath.Join(t.TempDir(), "blob"), src: sourcetest.NewVirtual(o.blob, o.size)}
	quiet(&f.opts)
	return f, f.path
}

// What cannot be a whole copy is refused, and not touched.
func TestAdoptRefuses(t *testing.T) {
	ctx := context.Background()
	for name, c := range map[string]struct {
		spoil func(f *os.File) error
		err   error
		says  string
	}{
		"cut":        {func(f *os.File) error { return f.Truncate(500_000) }, ErrUnfit, "500000 bytes long"},
		"a hole":     {func(f *os.File) error { return errors.Join(f.Truncate(65_536), f.Truncate(1<<20)) }, ErrUnfit, "are a hole in it"},
		"no guard":   {func(f *os.File) error { return second(f.WriteAt([]byte("SQLite format 3\x00"), 0)) }, ErrMismatch, "delete that"},
		"another's":  {func(f *os.File) error { return second(f.WriteAt([]byte("hydrant\n12345678"), 0)) }, ErrMismatch, "bring together"},
		"guard only": {func(f *os.File) error { return f.Truncate(16) }, ErrUnfit, "16 bytes long"},
	} {
		f, path := pathRig(t)
		o := f.open()
		if _, err := o.WriteAt(ctx, fill('w', 4096), 800_000/4096*4096); err != nil {
			t.Fatal(err)
		}
		if err := o.Sync(ctx); err != nil {
			t.Fatal(err)
		}
		twin := filepath.Join(t.TempDir(), "twin")
		copyFile(t, path, twin)
		copyFile(t, path+"-hydrant", twin+"-hydrant")
		file, err := os.OpenFile(twin, os.O_RDWR, 0)
		if err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(c.spoil(file), file.Close()); err != nil {
			t.Fatal(err)
		}
		was := [2][]byte{readFile(t, twin), readFile(t, twin+"-hydrant")}
		if _, err := AdoptPath(twin); !errors.Is(err, c.err) || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: %v", name, err)
		}
		if !bytes.Equal(readFile(t, twin), was[0]) || !bytes.Equal(readFile(t, twin+"-hydrant"), was[1]) {
			t.Errorf("%s: it was changed", name)
		}
		// A copy of what was closed cleanly needs nobody's word.
		if err := o.Close(); err != nil {
			t.Fatal(err)
		}
		copyFile(t, path, twin)
		copyFile(t, path+"-hydrant", twin+"-hydrant")
		if a, err := AdoptPath(twin); err != nil || a.Needed {
			t.Errorf("%s: clean copy: %+v, %v", name, a, err)
		}
		f.path = twin
		if got := make([]byte, 4096); second(f.open().ReadAt(ctx, got, 800_000/4096*4096)) != nil || got[7] != 'w' {
			t.Errorf("%s: clean copy reads %q", name, got[:8])
		}
	}
	if a, err := AdoptPath(filepath.Join(t.TempDir(), "none")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("none: %+v, %v", a, err)
	}
}

// A copy of a clone that was whole when it was copied is whole.
func TestAdoptOfWhatWasComplete(t *testing.T) {
	f, path := pathRig(t)
	keep(&f.opts)
	c := f.open()
	if err := c.Hydrate(context.Background(), 0, 1<<20); err != nil {
		t.Fatal(err)
	}
	if err := c.tryComplete(context.Background(), true); err != nil || c.Guarded() {
		t.Fatal(err)
	}
	if _, err := c.WriteAt(context.Background(), []byte("mine"), 5000); err != nil {
		t.Fatal(err)
	}
	want := readFile(t, path)
	twin := filepath.Join(t.TempDir(), "twin")
	copyFile(t, path, twin)
	copyFile(t, path+"-hydrant", twin+"-hydrant")
	kill(c)
	if a, err := AdoptPath(twin); err != nil || !a.Needed || a.Cold != 0 {
		t.Fatalf("%+v, %v", a, err)
	}
	f.path = twin
	c = f.open()
	got := make([]byte, len(want)+1)
	if n, err := c.ReadAt(context.Background(), got, 0); err != io.EOF || !bytes.Equal(got[:n], want) {
		t.Errorf("%d bytes, %v, first difference at %d", n, err, differ(got[:n], want))
	}
}

func readFile(t *testing.T, path string) []byte {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return b
}
