package clone

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"hydrant/clone/state"
	"hydrant/internal/pattern"
	"hydrant/source/sourcetest"
)

// paired is a clone in a folder of its own, whose files are copied and put back.
type paired struct {
	t    *testing.T
	path string
	fake *sourcetest.Fake
}

const pairedSize = 400_000

func newPaired(t *testing.T) *paired {
	t.Helper()
	if state.BootID() == [16]byte{} {
		t.Skip("only what was synced is left by a process here")
	}
	fake := sourcetest.NewFake(pattern.Blob{Seed: 7}.Bytes(pairedSize))
	return &paired{t, filepath.Join(t.TempDir(), "blob"), fake}
}

func (p *paired) tryOpen() (*Clone, error) {
	return OpenPath(context.Background(), p.fake, p.path, &Options{Knobs: Knobs{Hydration: knob(false)}})
}

func (p *paired) open() *Clone {
	p.t.Helper()
	c, err := p.tryOpen()
	if err != nil {
		p.t.Fatal(err)
	}
	p.t.Cleanup(func() { c.Close() })
	return c
}

// files are the contents of dest and of the state file now.
func (p *paired) files() [2][]byte {
	p.t.Helper()
	var f [2][]byte
	for i, suffix := range []string{"", state.Suffix} {
		b, err := os.ReadFile(p.path + suffix)
		if err != nil {
			p.t.Fatal(err)
		}
		f[i] = b
	}
	return f
}

// put puts contents into the files that are there.
func (p *paired) put(f [2][]byte) {
	p.t.Helper()
	for i, suffix := range []string{"", state.Suffix} {
		if err := os.WriteFile(p.path+suffix, f[i], 0); err != nil {
			p.t.Fatal(err)
		}
	}
}

func (p *paired) use(c *Clone, i int64) {
	p.t.Helper()
	if _, err := c.WriteAt(context.Background(), bytes.Repeat([]byte{byte(i)}, 4096), i*8192); err != nil {
		p.t.Fatal(err)
	}
}

// Dest and state file of different moments are refused, whichever of them is the older one; those of
// one moment are not. A moment ends when the clone is opened, closed cleanly, or killed and opened.
func TestFilesOfOneMoment(t *testing.T) {
	p := newPaired(t)
	var moments [][2][]byte
	for i := range int64(3) {
		c := p.open()
		p.use(c, i)
		if err := c.Sync(context.Background()); err != nil {
			t.Fatal(err)
		}
		moments = append(moments, p.files()) // in use
		if i == 1 {
			kill(c)
			continue // killed: to be judged by the next
		}
		if err := c.Close(); err != nil {
			t.Fatal(err)
		}
		moments = append(moments, p.files())
	}
	for i, a := range moments {
		for j, b := range moments {
			p.put([2][]byte{a[0], b[1]})
			c, err := p.tryOpen()
			if i != j {
				if !errors.Is(err, ErrApart) {
					t.Errorf("dest of moment %d, state of moment %d: %v", i, j, err)
				}
				if got := p.files(); !bytes.Equal(got[0], a[0]) {
					t.Errorf("dest of moment %d, state of moment %d: dest was changed", i, j)
				}
			} else if err != nil {
				t.Errorf("moment %d: %v", i, err)
			}
			if err == nil {
				kill(c)
			}
		}
	}
}

// A dest that somebody else has cut is refused when the clone is opened, and found out when it is
// read from while it is open; one that was truncated is not.
func TestCutByOthers(t *testing.T) {
	ctx := context.Background()
	p := newPaired(t)
	c := p.open()
	p.use(c, 9)
	if err := c.Truncate(ctx, 380_000); err != nil {
		t.Fatal(err)
	}
	if err := c.Truncate(ctx, 390_000); err != nil {
		t.Fatal(err)
	}
	kill(c)
	c = p.open()
	cut := func(n int64) {
		t.Helper()
		if err := os.Truncate(p.path, n); err != nil {
			t.Fatal(err)
		}
	}
	cut(380_000) // nobody can tell who did that
	if n, err := c.ReadAt(ctx, make([]byte, 5000), 378_000); n != 2000 || errors.Is(err, ErrShort) {
		t.Errorf("read %d bytes, %v", n, err)
	}
	kill(c)
	before := p.files()
	cut(379_999)
	if _, err := p.tryOpen(); !errors.Is(err, ErrShort) {
		t.Errorf("opened: %v", err)
	}
	p.put(before)
	c = p.open()
	cut(350_000)
	if _, err := c.ReadAt(ctx, make([]byte, 4096), 348_000); !errors.Is(err, ErrShort) {
		t.Errorf("read: %v", err)
	}
	if _, err := c.WriteAt(ctx, []byte{1}, 10); !errors.Is(err, ErrFailed) {
		t.Errorf("write after that: %v", err)
	}
}

// What is cold is not put into a dest that somebody else has cut.
func TestCutByOthersWhileCold(t *testing.T) {
	ctx := context.Background()
	p := newPaired(t)
	c := p.open()
	if err := os.Truncate(p.path, 350_000); err != nil {
		t.Fatal(err)
	}
	b := make([]byte, 4096)
	if _, err := c.ReadAt(ctx, b, 390_000); err == nil && !bytes.Equal(b, pattern.Blob{Seed: 7}.Bytes(pairedSize)[390_000:394_096]) {
		t.Error("other bytes than the source's")
	}
	if s := c.Status(); s.Mode != "failed" {
		t.Errorf("mode %s", s.Mode)
	}
}

// A clone does not complete beside somebody else's journal, and not under a name that leads to
// another file by now. Either way everything is as it was once that is set right.
func TestNothingInTheWay(t *testing.T) {
	ctx := context.Background()
	for name, c := range map[string]struct {
		spoil, mend func(path string) error
		want        error
	}{
		"a WAL":     {func(p string) error { return os.WriteFile(p+"-wal", []byte("stale"), 0o600) }, func(p string) error { return os.Remove(p + "-wal") }, ErrCompanion},
		"a journal": {func(p string) error { return os.Mkdir(p+"-journal", 0o700) }, func(p string) error { return os.Remove(p + "-journal") }, ErrCompanion},
		"another file": {func(p string) error {
			return errors.Join(os.Rename(p, p+".x"), os.WriteFile(p, []byte("other"), 0o600))
		}, func(p string) error { return os.Rename(p+".x", p) }, ErrReplaced},
		"no file": {func(p string) error { return os.Rename(p, p+".x") }, func(p string) error { return os.Rename(p+".x", p) }, ErrReplaced},
	} {
		t.Run(name, func(t *testing.T) {
			p := newPaired(t)
			cl := p.open()
			if err := os.WriteFile(PrivateName(p.path, "-wal"), []byte("ours"), 0o600); err != nil {
				t.Fatal(err)
			}
			if err := c.spoil(p.path); err != nil {
				t.Fatal(err)
			}
			if err := cl.Tune(Knobs{Hydration: knob(true)}); err != nil {
				t.Fatal(err)
			}
			if err := cl.Wait(ctx); !errors.Is(err, c.want) || !errors.Is(err, ErrPaused) {
				t.Fatalf("completed: %v", err)
			}
			if s := cl.Status(); s.State != StatePaused || s.Error == "" {
				t.Errorf("status: %s, %q", s.State, s.Error)
			}
			if _, err := os.Stat(PrivateName(p.path, "-wal")); err != nil {
				t.Error(err)
			}
			if err := c.mend(p.path); err != nil {
				t.Fatal(err)
			}
			if err := cl.completeNow(ctx); err != nil {
				t.Fatal(err)
			}
			if b, err := os.ReadFile(p.path + "-wal"); err != nil || string(b) != "ours" {
				t.Errorf("the companion holds %q, %v", b, err)
			}
			if err := cl.Close(); err != nil {
				t.Error(err)
			}
			if b, err := os.ReadFile(p.path); err != nil || !bytes.Equal(b, pattern.Blob{Seed: 7}.Bytes(pairedSize)) {
				t.Errorf("other bytes than the source's, %v", err)
			}
		})
	}
}
