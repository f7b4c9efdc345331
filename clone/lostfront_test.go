package clone

import (
	"bytes"
	"context"
	"errors"
	"syscall"
	"testing"

	"hydrant/clone/state"
	"hydrant/dest"
)

// deadAtFront is a destination whose user dies, as far as he can tell, when he has written the first bytes.
type deadAtFront struct{ dest.Target }

func (t deadAtFront) Open() (dest.Dest, error) {
	d, err := t.Target.Open()
	return &deadFront{d}, err
}

type deadFront struct{ dest.Dest }

func (d *deadFront) WriteAt(p []byte, off int64) (int, error) {
	n, err := d.Dest.WriteAt(p, off)
	if off == 0 && err == nil && !state.IsGuard(p) {
		return n, syscall.EIO
	}
	return n, err
}

// Whoever takes the guard down dies before he has said so. What another process writes to the first bytes
// then is not taken for older than what stands in dest.
func TestFirstBytesWrittenBehindADeadCompleter(t *testing.T) {
	ctx := context.Background()
	r := newRig(t, 100_000, quiet, keep)
	whole := r.dst
	r.dst = deadAtFront{whole}
	dead := r.open()
	r.dst = whole
	other := r.open()
	for _, c := range []*Clone{dead, other} {
		c.completing.Lock() // the keepers are to leave it to us
	}
	if err := dead.Hydrate(ctx, 0, 100_000); err != nil {
		t.Fatal(err)
	}
	if err := dead.commit(ctx); err != nil {
		t.Fatal(err)
	}
	if err := dead.publishDest(ctx, dead.timeout()); !errors.Is(err, syscall.EIO) || other.phase() != state.Completing {
		t.Errorf("%v, phase %v", err, other.phase())
	}
	if _, err := other.WriteAt(ctx, []byte("first"), 3); err != nil {
		t.Error(err)
	}
	for _, c := range []*Clone{dead, other} {
		c.cancel()
		c.completing.Unlock()
		kill(c)
	}
	r.open()
	want := bytes.Clone(r.content)
	copy(want[3:], "first")
	r.expect(want)
}

// A clone whose superblock says complete, and whose dest bears the guard all the same, gets its first
// bytes and is not taken for a plain file.
func TestCompleteCloneWithItsGuard(t *testing.T) {
	ctx := context.Background()
	r := newRig(t, 100_000, quiet, keep)
	c := r.open()
	if err := errors.Join(c.Hydrate(ctx, 0, 100_000), c.tryComplete(ctx, true)); err != nil {
		t.Fatal(err)
	}
	guard := c.st.Super.Guard()
	kill(c)
	d, err := r.dst.Open()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := d.WriteAt(guard[:], 0); err != nil {
		t.Fatal(err)
	}
	d.Close()
	r.store.Mount++ // as after a power loss
	r.open()
	r.expect(r.content)
	if i := differ(r.image(), r.content); i >= 0 {
		t.Errorf("byte %d of dest is wrong", i)
	}
}
