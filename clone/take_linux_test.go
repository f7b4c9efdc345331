package clone_test

import (
	"context"
	"errors"
	"io"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"

	"hydrant/clone"
	"hydrant/internal/pattern"
	"hydrant/source"
	"hydrant/source/file"
)

// watchedFile counts what is read of a file source, and what the kernel is let copy.
type watchedFile struct {
	*file.Source
	read, copied *atomic.Int64
	after        func() // each copy; nil: nothing
	refuse       bool
}

func (w watchedFile) ReadRange(ctx context.Context, id source.Identity, off, n int64) (io.ReadCloser, error) {
	w.read.Add(n)
	return w.Source.ReadRange(ctx, id, off, n)
}

func (w watchedFile) WithFile(id source.Identity, f func(uintptr) error) error {
	w.copied.Add(1)
	if w.refuse {
		return errors.ErrUnsupported
	}
	return w.Source.WithFile(id, func(fd uintptr) error {
		err := f(fd)
		if w.after != nil {
			w.after()
		}
		return err
	})
}

// fileClone opens a clone of a file of content in a folder of its own.
func fileClone(t *testing.T, dir string, content []byte, change func(*watchedFile, *clone.Options)) (*clone.Clone, watchedFile, string) {
	t.Helper()
	origin := filepath.Join(dir, "origin")
	if err := os.WriteFile(origin, content, 0o644); err != nil {
		t.Fatal(err)
	}
	src, err := file.Open(origin)
	if err != nil {
		t.Fatal(err)
	}
	w := watchedFile{Source: src, read: new(atomic.Int64), copied: new(atomic.Int64)}
	batch := int64(1 << 20)
	opts := &clone.Options{RegionSize: 4096, Knobs: clone.Knobs{Batch: &batch}}
	change(&w, opts)
	c, err := clone.OpenPath(t.Context(), w, filepath.Join(dir, "app.db"), opts)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c, w, origin
}

// guarded is a ctx that ends a test which hangs.
func guarded(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), hangGuard)
	t.Cleanup(cancel)
	return ctx
}

// Hydrating a file on the same file system passes no bytes through this process but the first, keeps
// what was written, and ends with the right bytes.
func TestKernelCopies(t *testing.T) {
	const size = 9<<20 + 1234
	off, on := false, true
	content := pattern.Blob{Seed: 71}.Bytes(size)
	c, w, _ := fileClone(t, t.TempDir(), content, func(_ *watchedFile, o *clone.Options) { o.Knobs.Hydration = &off; o.Keep = true })
	for _, at := range []int64{4096, 3<<20 - 100, 5<<20 + 4096, size - 10} {
		p := []byte("written here")
		if _, err := c.WriteAt(t.Context(), p, at); err != nil {
			t.Fatal(err)
		}
		content = append(content[:at], append(p, content[min(at+int64(len(p)), int64(len(content))):]...)...)
	}
	before := w.read.Load()
	if err := c.Tune(clone.Knobs{Hydration: &on}); err != nil {
		t.Fatal(err)
	}
	if err := c.Wait(guarded(t)); err != nil {
		t.Fatal(err)
	}
	got := make([]byte, len(content)+1)
	n, err := c.ReadAt(t.Context(), got, 0)
	if err != io.EOF || n != len(content) {
		t.Fatalf("%d bytes, %v", n, err)
	}
	for i := range content {
		if got[i] != content[i] {
			t.Fatalf("byte %d is %#x, want %#x", i, got[i], content[i])
		}
	}
	if w.read.Load() != before || w.copied.Load() == 0 {
		t.Errorf("%d bytes were read while hydrating, %d pieces copied", w.read.Load()-before, w.copied.Load())
	}
	if s := c.Status(); s.Requests == 0 || s.BytesFetched > size {
		t.Errorf("%d requests, %d bytes for %d", s.Requests, s.BytesFetched, size)
	}
}

// What the kernel copied of a file that was changed meanwhile is not believed.
func TestKernelCopiesOfAChangedFile(t *testing.T) {
	const size = 4 << 20
	content := pattern.Blob{Seed: 72}.Bytes(size)
	dir, one := t.TempDir(), 1
	var changedAt atomic.Int64
	c, w, _ := fileClone(t, dir, content, func(w *watchedFile, o *clone.Options) {
		o.Keep, o.Knobs.Connections = true, &one
		w.after = func() {
			if n := w.copied.Load(); n >= 2 && changedAt.CompareAndSwap(0, n) {
				f, err := os.OpenFile(filepath.Join(dir, "origin"), os.O_WRONLY|os.O_APPEND, 0)
				if err == nil {
					_, err = f.Write([]byte("more"))
					f.Close()
				}
				if err != nil {
					t.Error(err)
				}
			}
		}
	})
	if err := c.Wait(guarded(t)); !errors.Is(err, clone.ErrStalled) {
		t.Fatalf("%v after %d pieces", err, w.copied.Load())
	}
	local := int64(c.Status().RegionsHydrated) * 4096
	if at := changedAt.Load(); at == 0 || local > (at-1)<<20 {
		t.Errorf("%d bytes are local, and the file was changed in the %dth copy", local, at)
	}
}

// The guard stands while the regions around it are copied: the first is not left to the kernel.
func TestKernelCopiesNoFirstBytes(t *testing.T) {
	const size, region = 1 << 20, 128 << 10 // more than the first request brings
	content := pattern.Blob{Seed: 74}.Bytes(size)
	dir := t.TempDir()
	c, w, _ := fileClone(t, dir, content, func(w *watchedFile, o *clone.Options) {
		o.RegionSize = region
		w.after = func() {
			front := make([]byte, 8)
			f, err := os.Open(filepath.Join(dir, "app.db"))
			if err == nil {
				_, err = f.ReadAt(front, 0)
				f.Close()
			}
			if err != nil || string(front) != "hydrant\n" {
				t.Errorf("dest begins with %q, %v", front, err)
			}
		}
	})
	if err := c.Wait(guarded(t)); err != nil {
		t.Fatal(err)
	}
	if got, err := os.ReadFile(filepath.Join(dir, "app.db")); err != nil || string(got) != string(content) {
		t.Errorf("other bytes than the file's: %v", err)
	}
	if w.read.Load() < region {
		t.Errorf("%d bytes read", w.read.Load())
	}
}

// With a cap on the bandwidth, and where the kernel cannot copy, bytes are read.
func TestKernelDoesNotCopy(t *testing.T) {
	const size = 3 << 20
	content := pattern.Blob{Seed: 73}.Bytes(size)
	for name, change := range map[string]func(*watchedFile, *clone.Options){
		"bandwidth": func(_ *watchedFile, o *clone.Options) { b := int64(1 << 30); o.Knobs.Bandwidth = &b },
		"refused":   func(w *watchedFile, _ *clone.Options) { w.refuse = true },
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			c, w, _ := fileClone(t, dir, content, change)
			if err := c.Wait(guarded(t)); err != nil {
				t.Fatal(err)
			}
			if w.read.Load() < size/2 || w.copied.Load() > 4 {
				t.Errorf("%d bytes read, %d pieces tried to copy", w.read.Load(), w.copied.Load())
			}
			got, err := os.ReadFile(filepath.Join(dir, "app.db"))
			if err != nil || string(got) != string(content) {
				t.Errorf("other bytes than the file's: %v", err)
			}
		})
	}
}
