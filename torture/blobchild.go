package torture

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"hydrant/clone"
	"hydrant/source/scheme"
)

// file is a clone, or the plain file that it has become.
type file interface {
	ReadAt(ctx context.Context, p []byte, off int64) (int, error)
	WriteAt(ctx context.Context, p []byte, off int64) (int, error)
	Discard(ctx context.Context, off, n int64) error
	Sync(ctx context.Context) error
	Close() error
}

// plainFile is an ordinary file.
type plainFile struct {
	*os.File
	shape BlobShape
}

func (f plainFile) ReadAt(_ context.Context, p []byte, off int64) (int, error) {
	return f.File.ReadAt(p, off)
}

func (f plainFile) WriteAt(_ context.Context, p []byte, off int64) (int, error) {
	return f.File.WriteAt(p, off)
}

// Discard does by writing what apply says.
func (f plainFile) Discard(_ context.Context, off, n int64) error {
	image := make([]byte, f.shape.Size)
	if _, err := f.File.ReadAt(image[off:off+n], off); err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	f.shape.apply(image, change{off: off, n: n})
	_, err := f.File.WriteAt(image[off:off+n], off)
	return err
}

func (f plainFile) Sync(context.Context) error { return f.File.Sync() }

// openFile opens the clone, and makes it first if there is none.
func (c *child) openFile(ctx context.Context) (file, error) {
	src, err := scheme.Open(ctx, c.Source, scheme.Options{})
	if err != nil {
		return nil, err
	}
	opts := &clone.Options{RegionSize: c.Blob.Region, Knobs: clone.Knobs{Hydration: c.Hydration, Bandwidth: &c.Bandwidth, Timeout: &c.Timeout}}
	cl, err := clone.OpenPath(ctx, src, c.Path, opts)
	if errors.Is(err, clone.ErrPlain) {
		f, err := os.OpenFile(c.Path, os.O_RDWR, 0)
		return plainFile{f, c.Blob}, err
	}
	if err != nil {
		return nil, err
	}
	return cl, nil
}

// reopen opens the file until it can be had; nil when it is time to end.
func (c *child) reopen(ctx context.Context) file {
	for !c.ending.Load() {
		f, err := c.openFile(ctx)
		if err == nil {
			return f
		}
		c.trouble("open", err)
		rest(20)
	}
	return nil
}

// blob changes the cells of its owner, and reads its own and others'.
func (c *child) blob(ctx context.Context) (err error) {
	cells := c.Blob.cells()
	own := mine(cells, c.Owner)
	image := c.Blob.content().Bytes(c.Blob.Size)
	r := random(c.Seed, 'E', int64(c.Owner), 0)
	seq := c.Low[c.Owner]
	for n := range seq {
		c.Blob.apply(image, c.Blob.change(own, c.Owner, n+1))
	}
	f := c.reopen(ctx)
	c.say(Event{What: SaidStart, Seq: seq})
	for f != nil && !c.ending.Load() {
		// After a kill, this one may have been done in part.
		ch := c.Blob.change(own, c.Owner, seq+1)
		if err := c.apply(ctx, f, ch); err != nil {
			c.trouble("change", err)
			rest(10)
			continue
		}
		c.Blob.apply(image, ch)
		seq++
		c.say(Event{What: SaidAck, Seq: seq})
		switch n := r.IntN(20); {
		case n < 6:
			err = c.compareCell(ctx, f, own[r.IntN(len(own))], image)
		case n < 10:
			err = c.Blob.plausible(cells, r, func(off, n int64) ([]byte, error) { return readAll(ctx, f, off, n) })
		case n < 11:
			err = f.Sync(ctx)
		case n < 12 && c.Reopen > 0 && r.IntN(c.Reopen) == 0:
			err = f.Close()
			f = c.reopen(ctx)
		}
		if err != nil {
			c.trouble("look", err)
		}
		if c.Pause > 0 {
			rest(r.Int64N(int64(c.Pause)))
		}
	}
	if f == nil {
		return nil
	}
	if err := f.Close(); err != nil {
		c.trouble("close", err)
	}
	return nil
}

func (c *child) apply(ctx context.Context, f file, ch change) error {
	if ch.data == nil {
		return f.Discard(ctx, ch.off, ch.n)
	}
	_, err := f.WriteAt(ctx, ch.data, ch.off)
	return err
}

// compareCell demands that a cell of ours is as we have left it.
func (c *child) compareCell(ctx context.Context, f file, own cell, image []byte) error {
	got, err := readAll(ctx, f, own.off, own.n)
	if err != nil {
		return err
	}
	if want := image[own.off : own.off+own.n]; !bytes.Equal(got, want) {
		i := differs(got, want)
		return broken{fmt.Errorf("offset %d reads % x, its only writer has left % x there", own.off+int64(i), got[i:min(i+16, len(got))], want[i:min(i+16, len(want))])}
	}
	return nil
}

func readAll(ctx context.Context, f file, off, n int64) ([]byte, error) {
	p := make([]byte, n)
	got, err := f.ReadAt(ctx, p, off)
	if int64(got) == n {
		err = nil
	}
	return p, err
}

func differs(a, b []byte) int {
	for i := range a {
		if i >= len(b) || a[i] != b[i] {
			return i
		}
	}
	return len(a)
}

// blobRead writes all that can be read into a file, and completes the clone if it is to.
func (c *child) blobRead(ctx context.Context) error {
	f := c.reopen(ctx)
	if f == nil {
		return nil
	}
	for {
		b, err := readAll(ctx, f, 0, c.Blob.Size)
		if err == nil {
			err = os.WriteFile(c.Image, b, 0o644)
		}
		if err == nil {
			break
		}
		c.trouble("read all", err)
		if c.ending.Load() {
			return err
		}
		rest(50)
	}
	if cl, ok := f.(*clone.Clone); ok && c.Finish {
		on := true
		if err := cl.Tune(clone.Knobs{Hydration: &on}); err != nil {
			return err
		}
		wait, done := context.WithTimeout(ctx, 50*time.Second)
		defer done()
		if err := cl.Wait(wait); err != nil {
			return fmt.Errorf("not complete: %w; %+v", err, cl.Status())
		}
	}
	return f.Close()
}
