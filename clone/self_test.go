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
	"hydrant/source/file"
)

// The engine never writes to the source, also when that is a file beside the destination (I6); and a
// destination that is the source, by whatever name, is refused before a byte is written.
func TestSourceIsNeverWritten(t *testing.T) {
	ctx := context.Background()
	content := pattern.Blob{Seed: 6}.Bytes(400_000)
	dir := t.TempDir()
	from, to := filepath.Join(dir, "source"), filepath.Join(dir, "dest")
	if err := os.WriteFile(from, content, 0o644); err != nil {
		t.Fatal(err)
	}
	opts := Options{RegionSize: 512, NoBackground: true}
	open := func(path string) (*Clone, error) {
		src, err := file.Open(from)
		if err != nil {
			t.Fatal(err)
		}
		return OpenPath(ctx, src, path, &opts)
	}
	untouched := func(what, path string) {
		t.Helper()
		if b, err := os.ReadFile(path); err != nil || !bytes.Equal(b, content) {
			t.Fatalf("%s: the source was changed: %v", what, err)
		}
	}

	c, err := open(to)
	if err != nil {
		t.Fatal(err)
	}
	_, werr := c.WriteAt(ctx, []byte("changed"), 390_000)
	if err := errors.Join(werr, c.Discard(ctx, 380_000, 2000), c.Truncate(ctx, 395_000), c.Sync(ctx)); err != nil {
		t.Fatal(err)
	}
	kill(c)
	untouched("a life", from)

	if err := os.Link(from, filepath.Join(dir, "hard")); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink(from, filepath.Join(dir, "soft")); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"source", "hard", "soft"} {
		if c, err := open(filepath.Join(dir, name)); err == nil {
			c.Close()
			t.Errorf("%s: opened as its own destination", name)
		}
		untouched(name, from)
	}

	// Where the source was now lies a link to the destination.
	was := filepath.Join(dir, "was")
	if err := errors.Join(os.Rename(from, was), os.Symlink(to, from)); err != nil {
		t.Fatal(err)
	}
	before, err := os.ReadFile(to)
	if err != nil || !state.IsGuard(before) {
		t.Fatalf("dest bears no guard: %v", err)
	}
	if c, err := open(to); !errors.Is(err, ErrSelf) {
		if err == nil {
			c.Close()
		}
		t.Errorf("open: %v", err)
	}
	if after, err := os.ReadFile(to); err != nil || !bytes.Equal(after, before) {
		t.Errorf("dest was changed: %v", err)
	}
	untouched("in the end", was)
}
