package clone

import (
	"context"
	"sync"
	"testing"

	"hydrant/clone/state"
	"hydrant/dest"
	"hydrant/internal/pattern"
	"hydrant/source/cache"
	"hydrant/source/sourcetest"
)

// Twenty clones of one image that share a cache fetch each of its blocks once between them.
func TestManyClonesOfOneImage(t *testing.T) {
	const size, clones = 3<<20 + 123, 20
	blob := pattern.Blob{Seed: 5}
	image := sourcetest.NewVirtual(blob, size)
	pool, err := cache.NewPool(64<<20, cache.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer pool.Close()
	var wg sync.WaitGroup
	for range clones {
		wg.Go(func() {
			ctx, dst := context.Background(), dest.Memory()
			c, err := Open(ctx, cache.New(unclosed{image}, pool), dst, &state.MemoryStore{}, nil)
			if err != nil {
				t.Error(err)
				return
			}
			if err := c.Wait(ctx); err != nil {
				t.Error(err)
			}
			p := make([]byte, size)
			if _, err := c.ReadAt(ctx, p, 0); err != nil {
				t.Error(err)
			}
			if err := blob.Check(p, 0); err != nil {
				t.Error(err)
			}
			if err := c.Close(); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if n := image.Twice(); n != 0 {
		t.Errorf("%d bytes were fetched more than once", n)
	}
	if n := image.Delivered(); n != size {
		t.Errorf("%d bytes were fetched, want %d", n, size)
	}
}
