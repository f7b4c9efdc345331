package cache

import (
	"fmt"
	"strconv"
	"sync"

	"github.com/dgraph-io/ristretto/v2"
)

// kept are the blocks in memory. Ristretto decides which they are: one that is often asked for
// stays, however much passes by once.
type kept struct {
	// mu is held shared by every use of the cache, as it does not bear use after its end.
	mu     sync.RWMutex
	closed bool
	blocks *ristretto.Cache[string, []byte]
}

func newKept(bytes, blockSize int64) (*kept, error) {
	blocks, err := ristretto.NewCache(&ristretto.Config[string, []byte]{
		NumCounters: 10 * (bytes/blockSize + 1), // ten for each block, as its authors advise
		MaxCost:     bytes,
		BufferItems: 64,
	})
	if err != nil {
		return nil, fmt.Errorf("cache: %w", err)
	}
	return &kept{blocks: blocks}, nil
}

func (c *kept) get(k key) ([]byte, bool) {
	c.mu.RLock()
	defer c.mu.RUnlock()
	if c.closed {
		return nil, false
	}
	return c.blocks.Get(k.String())
}

// put returns when get finds the block, or the cache has decided not to keep it.
func (c *kept) put(k key, data []byte) {
	c.mu.RLock()
	defer c.mu.RUnlock()
	if c.closed {
		return
	}
	c.blocks.Set(k.String(), data, int64(len(data)))
	c.blocks.Wait()
}

func (c *kept) close() {
	c.mu.Lock()
	defer c.mu.Unlock()
	if !c.closed {
		c.closed = true
		c.blocks.Close()
	}
}

// String is unique to the key: what stands before the last space is the blob.
func (k key) String() string { return k.blob + " " + strconv.FormatInt(k.block, 10) }
