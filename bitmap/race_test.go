package bitmap

import (
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
)

// TestConcurrentSet has many goroutines set overlapping ranges: every bit must be somebody's.
func TestConcurrentSet(t *testing.T) {
	const n, setters = 10_000, 8
	m := New(n)
	var added atomic.Uint64
	var wg sync.WaitGroup
	for g := range setters {
		wg.Go(func() {
			rng := rand.New(rand.NewPCG(1, uint64(g)))
			for range 2000 {
				lo := rng.Uint64N(n)
				added.Add(m.Set(lo, min(lo+rng.Uint64N(200), n)))
			}
		})
	}
	wg.Wait()
	if added.Load() != m.Count() {
		t.Errorf("the setters added %d bits, the map has %d", added.Load(), m.Count())
	}
}

// TestConcurrentSetClear adds clearers: what was added and not removed must be there.
func TestConcurrentSetClear(t *testing.T) {
	const n = 500
	m := New(n)
	var balance atomic.Int64
	var wg sync.WaitGroup
	for g := range 8 {
		wg.Go(func() {
			rng := rand.New(rand.NewPCG(2, uint64(g)))
			for range 2000 {
				lo := rng.Uint64N(n)
				hi := lo + rng.Uint64N(n-lo)
				if g%2 == 0 {
					balance.Add(int64(m.Set(lo, hi)))
				} else {
					balance.Add(-int64(m.Clear(lo, hi)))
				}
			}
		})
	}
	wg.Wait()
	if balance.Load() != int64(m.Count()) {
		t.Errorf("added minus removed is %d, the map has %d", balance.Load(), m.Count())
	}
}

// TestPublish checks what bits are for: who sees one set sees the data stored before it. The data
// is plain memory, so the race detector is the judge.
func TestPublish(t *testing.T) {
	const n = 1000
	m := New(n)
	data := make([]int, n)
	var wg sync.WaitGroup
	wg.Go(func() {
		for i := range uint64(n) {
			data[i] = int(i) + 1
			m.Set(i, i+1)
		}
	})
	for i := uint64(0); i < n; {
		end, ok := m.NextClear(i, n)
		if !ok {
			end = n
		}
		for ; i < end; i++ {
			if data[i] != int(i)+1 {
				t.Fatalf("bit %d is set, its data is %d", i, data[i])
			}
		}
	}
	wg.Wait()
}
