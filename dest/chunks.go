package dest

import (
	"io"
	"sync"
)

const chunkSize = 64 << 10

// chunks is a sparse array of bytes. Its zero value is empty. Offsets are not negative.
type chunks struct {
	mu   sync.RWMutex
	size int64
	// at has chunk i under i. What is absent is zero, and so is what is present past size:
	// growth has nothing to clear.
	at map[int64]*[chunkSize]byte
}

// cut returns which chunk off is in, where in it, and how much of n is in it too.
func cut(off, n int64) (chunk, from, count int64) {
	from = off % chunkSize
	return off / chunkSize, from, min(n, chunkSize-from)
}

func (c *chunks) read(p []byte, off int64) (n int, err error) {
	c.mu.RLock()
	defer c.mu.RUnlock()
	if left := max(c.size-off, 0); int64(len(p)) > left {
		p, err = p[:left], io.EOF
	}
	for n < len(p) {
		i, from, count := cut(off+int64(n), int64(len(p)-n))
		part := p[n : n+int(count)]
		if chunk := c.at[i]; chunk != nil {
			copy(part, chunk[from:])
		} else {
			clear(part)
		}
		n += len(part)
	}
	return n, err
}

func (c *chunks) write(p []byte, off int64) {
	if len(p) == 0 {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.at == nil {
		c.at = map[int64]*[chunkSize]byte{}
	}
	c.size = max(c.size, off+int64(len(p)))
	for len(p) > 0 {
		i, from, count := cut(off, int64(len(p)))
		if c.at[i] == nil {
			c.at[i] = new([chunkSize]byte)
		}
		copy(c.at[i][from:], p[:count])
		p, off = p[count:], off+count
	}
}

// zero clears [lo, hi), which may be past the end.
func (c *chunks) zero(lo, hi int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.zeroLocked(lo, hi)
}

func (c *chunks) truncate(size int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if size < c.size {
		c.zeroLocked(size, c.size)
	}
	c.size = size
}

func (c *chunks) zeroLocked(lo, hi int64) {
	hi = min(hi, c.size)
	for lo < hi {
		i, from, count := cut(lo, hi-lo)
		// What a chunk has past the end is zero already.
		if end := from + count; from == 0 && (end == chunkSize || lo+count == c.size) {
			delete(c.at, i)
		} else if chunk := c.at[i]; chunk != nil {
			clear(chunk[from:end])
		}
		lo += count
	}
}

func (c *chunks) len() int64 {
	c.mu.RLock()
	defer c.mu.RUnlock()
	return c.size
}
