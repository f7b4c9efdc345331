package clone

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"hydrant/clone/state"
	"hydrant/dest"
	"hydrant/internal/crashdest"
	"hydrant/internal/faultio"
	"hydrant/internal/pattern"
	"hydrant/source/sourcetest"
)

// creating leaves the rig as a crash does between making the state file and making dest.
func (r *rig) creating() {
	r.t.Helper()
	o := &opening{src: r.src, dst: r.dst, store: r.store, opts: r.opts}
	if err := o.make(context.Background()); err != nil {
		r.t.Fatal(err)
	}
}

func put(t testing.TB, target dest.Target, b []byte) {
	t.Helper()
	err := target.Create(func(d dest.Dest) error { _, err := d.WriteAt(b, 0); return err })
	if err != nil {
		t.Fatal(err)
	}
}

// A file that somebody put where a clone was about to be made is not taken for what the crash
// left of that, even when it begins as the source does: all databases begin alike. It may be a clone
// that was made, completed and detached meanwhile: then no state file is left beside it.
func TestHalfCreatedCloneLeavesAFileAlone(t *testing.T) {
	for _, size := range []int64{5, 100_000} {
		for name, file := range map[string]func(content []byte) []byte{
			"the source's bytes": func(b []byte) []byte { return append(bytes.Clone(b), "and more"...) },
			"some of them":       func(b []byte) []byte { return b[:3] },
			"other bytes":        func(b []byte) []byte { return []byte("an ordinary file, not short") },
			"a few bytes":        func(b []byte) []byte { return []byte("few") },
			"no bytes":           func(b []byte) []byte { return nil },
			"a few zeros":        func(b []byte) []byte { return make([]byte, 5) },
			"many zeros":         func(b []byte) []byte { return make([]byte, 17) },
			"another guard":      func(b []byte) []byte { g := state.GuardOf([16]byte{1, 2}, 0); return g[:] },
		} {
			r := newRig(t, size)
			r.creating()
			was := file(r.content)
			put(t, r.dst, was)
			if _, err := r.tryOpen(); !errors.Is(err, ErrPlain) {
				t.Errorf("size %d, %s: open: %v", size, name, err)
			}
			if !bytes.Equal(r.image(), was) {
				t.Errorf("size %d, %s: the file was changed", size, name)
			}
			if left := r.store.Image() != nil; left != state.IsGuard(was) {
				t.Errorf("size %d, %s: a state file is left: %v", size, name, left)
			}
		}
	}
}

// Who was killed while he made a state file, and had been overtaken by somebody who made the same
// clone, completed and detached it, has left a file beside a plain one.
func TestStateFileHalfMadeBesideAPlainFileIsSwept(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "app.db")
	swept, kept := path+state.Suffix+".1.new", path+state.Suffix+".old"
	for _, name := range []string{path, swept, kept} {
		if err := os.WriteFile(name, []byte("an ordinary file"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := OpenPath(t.Context(), sourcetest.NewFake(make([]byte, 5000)), path, nil); !errors.Is(err, ErrPlain) {
		t.Errorf("open: %v", err)
	}
	left, err := filepath.Glob(path + "*")
	if want := []string{path, kept}; err != nil || !slices.Equal(left, want) {
		t.Errorf("left are %q, %v; want %q", left, err, want)
	}
}

// Wherever the making of dest broke off, the next to open the clone goes on from there.
func TestHalfCreatedCloneIsFinished(t *testing.T) {
	for _, size := range []int64{0, 1, 15, 16, 17, 5000} {
		for _, made := range []bool{false, true} {
			r := newRig(t, size, keep)
			r.creating()
			if made {
				f, err := r.store.Open()
				if err != nil {
					t.Fatal(err)
				}
				sb, err := state.ReadSuperblock(f)
				if err = errors.Join(err, f.Close()); err != nil {
					t.Fatal(err)
				}
				if err := r.dst.Create(func(d dest.Dest) error { return fillDest(d, sb) }); err != nil {
					t.Fatal(err)
				}
			}
			r.open()
			r.wait()
			r.expect(r.content)
			kill(r.c)
		}

		for seed := range uint64(30) {
			r, disk := crashRig(t, size)
			for k := range 4 {
				var inj faultio.Injector
				inj.Inject(faultio.Fault{K: k + 1, Op: faultio.Any, Err: syscall.EIO, Sticky: true})
				r.dst = faultio.WrapTarget(disk, &inj)
				r.tryOpen() // fails somewhere, or not
				if r.c != nil {
					kill(r.c)
					r.c = nil
				}
			}
			r.dst = disk.Crash(newRand(seed))
			r.store.Mount++
			if _, err := r.tryOpen(); err != nil && !errors.Is(err, ErrPlain) {
				t.Fatalf("size %d, seed %d: %v, dest %q", size, seed, err, r.image())
			}
		}
	}
}

// The maker of dest is killed when that has its name, and not yet durably. Whoever goes on makes it so
// before the clone lives: a power loss must not take what was written since.
func TestNameOfDestIsDurableBeforeTheCloneLives(t *testing.T) {
	r, disk := crashRig(t, 5000)
	keep(&r.opts)
	r.creating()
	var named *crashdest.Disk
	disk.Moment = func() { named = disk.CrashKeepAll() }
	put(t, disk, nil)
	f, err := r.store.Open()
	if err != nil {
		t.Fatal(err)
	}
	sb, err := state.ReadSuperblock(f)
	if err = errors.Join(err, f.Close()); err != nil {
		t.Fatal(err)
	}
	d, err := named.Open()
	if err == nil {
		err = errors.Join(fillDest(d, sb), d.Close())
	}
	if err != nil {
		t.Fatal(err)
	}
	r.dst = named
	r.open()
	r.write([]byte("mine"), 3000)
	if err := r.c.Sync(context.Background()); err != nil {
		t.Fatal(err)
	}
	kill(r.c)
	r.dst = named.CrashAs(func(int) int { return 0 }, false)
	r.store.Mount++
	r.open()
	if got := r.read(3000, 4); string(got) != "mine" {
		t.Errorf("read %q", got)
	}
}

// While a clone is made its file is not there, or bears the guard and has its full size: whoever
// comes by, and whenever the maker is killed, never takes it for a database.
func TestDestIsNeverThereWithoutItsGuard(t *testing.T) {
	for _, size := range []int64{5, 100_000} {
		content := pattern.Blob{Seed: 1}.Bytes(size)
		for k := range 10 {
			path := filepath.Join(t.TempDir(), "app.db")
			look := func() bool {
				img, err := os.ReadFile(path)
				if errors.Is(err, fs.ErrNotExist) {
					return false
				}
				if err != nil || int64(len(img)) != size || size >= 16 && !state.IsGuard(img) || size < 16 && !bytes.Equal(img, content) {
					t.Errorf("%d bytes: it has %d, beginning with %q, %v", size, len(img), img[:min(len(img), 16)], err)
				}
				return true
			}
			var watched sync.WaitGroup
			stop := make(chan struct{})
			watched.Go(func() {
				for {
					select {
					case <-stop:
						return
					default:
						look()
					}
				}
			})
			o := &Options{RegionSize: 512, Keep: true, WrapDest: func(t dest.Target) dest.Target {
				return lookingTarget{t, look, k}
			}}
			quiet(o)
			o.Quiesce = func(context.Context, func() error) error { return errors.New("not now") }
			c, err := OpenPath(context.Background(), sourcetest.NewFake(content), path, o)
			if err == nil {
				err = c.Close()
			} else if !errors.Is(err, errDead) {
				t.Fatal(err)
			}
			close(stop)
			watched.Wait()
			if err != nil && look() {
				t.Errorf("%d bytes, operation %d: it is there", size, k)
			}
			left, err := filepath.Glob(path + "*.new")
			if err != nil || len(left) > 0 {
				t.Errorf("left: %v, %v", left, err)
			}
		}
	}
}

// lookingTarget looks at the name before and after each operation of a creation, of which the k-th
// fails.
type lookingTarget struct {
	dest.Target
	look func() bool
	k    int
}

func (l lookingTarget) Create(fill func(dest.Dest) error) error {
	return l.Target.Create(func(d dest.Dest) error {
		var before faultio.Injector
		before.Inject(faultio.Fault{K: l.k, Err: errDead})
		err := fill(lookingDest{faultio.Wrap(d, &before), l.look})
		l.look()
		return err
	})
}

type lookingDest struct {
	dest.Dest
	look func() bool
}

func (d lookingDest) WriteAt(p []byte, off int64) (int, error) {
	defer d.look()
	return d.Dest.WriteAt(p, off)
}

func (d lookingDest) Truncate(size int64) error {
	defer d.look()
	return d.Dest.Truncate(size)
}

func (d lookingDest) Sync() error {
	defer d.look()
	return d.Dest.Sync()
}

// Who made dest was killed between giving it its name and taking the other one away. The next to
// come takes that away, and only then counts the names.
func TestSecondNameOfDestIsSwept(t *testing.T) {
	content := pattern.Blob{Seed: 1}.Bytes(100_000)
	path := filepath.Join(t.TempDir(), "app.db")
	store := state.PathStore(path, 0o644)
	o := &opening{src: sourcetest.NewFake(content), dst: dest.File(path), store: store}
	if err := o.make(context.Background()); err != nil {
		t.Fatal(err)
	}
	sb := superOf(path)
	if err := o.dst.Create(func(d dest.Dest) error { return fillDest(d, sb) }); err != nil {
		t.Fatal(err)
	}
	if err := os.Link(path, path+"-hydrant.d3.new"); err != nil {
		t.Fatal(err)
	}
	c, err := OpenPath(context.Background(), sourcetest.NewFake(content), path, nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Wait(context.Background()); err != nil {
		t.Error(err)
	}
	if err := c.Close(); err != nil {
		t.Error(err)
	}
	if got, err := os.ReadFile(path); err != nil || !bytes.Equal(got, content) {
		t.Errorf("%d bytes, %v", len(got), err)
	}
	if left, err := filepath.Glob(path + "?*"); err != nil || len(left) > 0 {
		t.Errorf("left: %v, %v", left, err)
	}
}

// Each operation on dest fails once while the clone is made: then either nothing is left, or what
// is left is finished by the next to open it.
func TestCreateSurvivesEachFault(t *testing.T) {
	for _, fault := range []faultio.Fault{{Err: syscall.EIO}, {Err: syscall.ENOSPC}, {Err: syscall.ENOSPC, Short: true}} {
		for k := 1; ; k++ {
			r := newRig(t, 5000, quiet, keep)
			inner := r.dst
			fault.K = k
			inj := faultio.New(fault)
			r.dst = faultio.WrapTarget(inner, inj)
			_, err := r.tryOpen()
			if err == nil {
				kill(r.c)
			} else if !faultio.Injected(err) {
				t.Errorf("%v: %v", fault, err)
			}
			r.dst = inner
			r.open()
			r.expect(r.content)
			if inj.Hits() == 0 {
				break
			}
		}
	}
}

func TestCreateWithoutAnAnswerTimesOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := newRig(t, 5000)
		r.src.Plan(sourcetest.Always(sourcetest.Fault{Stall: true}))
		limit := 3 * time.Second
		r.opts.Knobs.Timeout = &limit
		begin := time.Now()
		if _, err := r.tryOpen(); !errors.Is(err, ErrTimeout) {
			t.Errorf("open: %v", err)
		}
		if d := time.Since(begin); d != limit {
			t.Errorf("after %v, want %v", d, limit)
		}
		if r.store.Image() != nil {
			t.Error("a state file was made")
		}
	})
}

// Of several that create at once one makes the clone, and all have it open.
func TestCreatorsMeet(t *testing.T) {
	r := newRig(t, 100_000, keep)
	ctx := context.Background()
	type result struct {
		c   *Clone
		err error
	}
	results := make(chan result)
	for range 8 {
		go func() {
			c, err := Open(ctx, unclosed{r.src}, r.dst, r.store, &r.opts)
			results <- result{c, err}
		}()
	}
	var all []*Clone
	for range 8 {
		got := <-results
		if got.err != nil {
			t.Error(got.err)
			continue
		}
		all = append(all, got.c)
	}
	for _, c := range all {
		if c.UUID() != all[0].UUID() {
			t.Error("two clones were made")
		}
		r.c = c
		r.expect(r.content)
	}
	for _, c := range all {
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	}
	if differ(r.image(), r.content) >= 0 {
		t.Error("dest differs")
	}
}

// What the first request brought is not used for a clone that somebody else made meanwhile, of
// what may be another version of the source.
func TestFirstBytesBelongToTheirOwnClone(t *testing.T) {
	r := newRig(t, 100_000, quiet)
	o := &opening{src: unclosed{r.src}, dst: r.dst, store: r.store, opts: r.opts}
	ctx := context.Background()
	if err := o.make(ctx); err != nil {
		t.Fatal(err)
	}
	// Another one completes and takes it away, and a third clones a newer version.
	r.store.SetImage(nil)
	newer := pattern.Blob{Seed: 99}.Bytes(100_000)
	r.src.Replace(newer)
	r.creating()
	c, err := o.open(ctx)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	r.c = c
	r.expect(newer)
}

func TestOpenPathRefuses(t *testing.T) {
	ctx := context.Background()
	content := pattern.Blob{Seed: 1}.Bytes(300_000)
	open := func(path string) (*Clone, error) {
		o := &Options{RegionSize: 512}
		quiet(o)
		return OpenPath(ctx, sourcetest.NewFake(content), path, o)
	}
	for _, name := range []string{"-wal", "-journal", "-hydrant-wal", "-hydrant-journal"} {
		path := filepath.Join(t.TempDir(), "app.db")
		if err := os.WriteFile(path+name, nil, 0o644); err != nil {
			t.Fatal(err)
		}
		if _, err := open(path); !errors.Is(err, ErrCompanion) {
			t.Errorf("with %s there: %v", name, err)
		}
		if _, err := os.Lstat(path + "-hydrant"); !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("with %s there: a state file was made", name)
		}
	}

	t.Run("hard link", func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "app.db")
		c, err := open(path)
		if err != nil {
			t.Fatal(err)
		}
		c.Close()
		if err := os.Link(path, path+"2"); err != nil {
			t.Fatal(err)
		}
		if _, err := open(path); err == nil {
			t.Error("opened a dest with two names")
		}
	})
	t.Run("copy of one in use", func(t *testing.T) {
		dir := t.TempDir()
		c, err := open(filepath.Join(dir, "app.db"))
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		copyFile(t, filepath.Join(dir, "app.db"), filepath.Join(dir, "b.db"))
		copyFile(t, filepath.Join(dir, "app.db-hydrant"), filepath.Join(dir, "b.db-hydrant"))
		if _, err := open(filepath.Join(dir, "b.db")); !errors.Is(err, ErrCopied) {
			t.Errorf("got %v", err)
		}
	})
	t.Run("copy of a clean one", func(t *testing.T) {
		dir := t.TempDir()
		c, err := open(filepath.Join(dir, "app.db"))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := c.WriteAt(ctx, []byte("mine"), 30_000); err != nil {
			t.Fatal(err)
		}
		if err := c.Close(); err != nil {
			t.Fatal(err)
		}
		copyFile(t, filepath.Join(dir, "app.db"), filepath.Join(dir, "b.db"))
		copyFile(t, filepath.Join(dir, "app.db-hydrant"), filepath.Join(dir, "b.db-hydrant"))
		c, err = open(filepath.Join(dir, "b.db"))
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		got := make([]byte, 4)
		if _, err := c.ReadAt(ctx, got, 30_000); err != nil || string(got) != "mine" {
			t.Errorf("read %q, %v", got, err)
		}
	})
	t.Run("dest gone", func(t *testing.T) {
		path := filepath.Join(t.TempDir(), "app.db")
		c, err := open(path)
		if err != nil {
			t.Fatal(err)
		}
		c.Close()
		os.Remove(path)
		if _, err := open(path); !errors.Is(err, ErrNoDest) {
			t.Errorf("got %v", err)
		}
	})
	t.Run("symbolic link", func(t *testing.T) {
		dir := t.TempDir()
		os.Mkdir(filepath.Join(dir, "real"), 0o755)
		c, err := open(filepath.Join(dir, "real", "app.db"))
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		os.Symlink(filepath.Join(dir, "real", "app.db"), filepath.Join(dir, "app.db"))
		c2, err := open(filepath.Join(dir, "app.db"))
		if err != nil {
			t.Fatal(err)
		}
		defer c2.Close()
		if c.UUID() != c2.UUID() {
			t.Error("two clones of one file")
		}
	})
}

func copyFile(t testing.TB, from, to string) {
	t.Helper()
	b, err := os.ReadFile(from)
	if err == nil {
		err = os.WriteFile(to, b, 0o644)
	}
	if err != nil {
		t.Fatal(err)
	}
}
