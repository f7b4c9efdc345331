package s3_test

import (
	"sync"
	"testing"
	"time"

	"hydrant/internal/s3test"
	"hydrant/source"
	"hydrant/source/cache"
	"hydrant/source/limit"
	"hydrant/source/retry"
	"hydrant/source/s3"
)

// All wrappers in the order they are meant for, twenty clones of one image, a bad network: each
// block is fetched once but for what broke.
func TestTwentyClonesOfOneImage(t *testing.T) {
	const size, blockSize = 4<<20 + 5, 256 << 10
	s := start(t)
	s.Put("b", "dir/k v.db", blob.Bytes(size))
	s.Inject(s3test.Match{Op: s3test.OpGetObject, Times: 5, Skip: 20}, s3test.ResetAfter(100_000))
	pool, err := cache.NewPool(32<<20, cache.Options{BlockSize: blockSize})
	if err != nil {
		t.Fatal(err)
	}
	defer pool.Close()
	limiter := limit.NewLimiter(0, 8)
	var requests int64
	var mu sync.Mutex
	var wg sync.WaitGroup
	for range 20 {
		wg.Go(func() {
			object, err := s3.Open(t.Context(), s.Source("b", "dir/k v.db"), s3.Options{})
			if err != nil {
				t.Error(err)
				return
			}
			tried, err := retry.New(object, retry.Options{First: time.Millisecond})
			if err != nil {
				t.Error(err)
				return
			}
			src := cache.New(limit.New(tried, limiter), pool)
			defer src.Close()
			id, _, err := src.Identify(t.Context(), 16)
			if err != nil {
				t.Error(err)
				return
			}
			got := make([]byte, size)
			if err := source.ReadAll(t.Context(), src, id, got, 0); err != nil {
				t.Error(err)
			} else if err := blob.Check(got, 0); err != nil {
				t.Error(err)
			}
			mu.Lock()
			defer mu.Unlock()
			requests += object.Requests()
		})
	}
	wg.Wait()
	if most := int64(20 + 1 + 5 + 5); requests > most {
		t.Errorf("%d requests, want at most %d: one for each identity, one for all blocks, and what broke", requests, most)
	}
}
