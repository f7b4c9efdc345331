package sourcetest

import (
	"context"
	"io"
	"io/fs"
	"sync"
	"sync/atomic"

	"hydrant/source"
)

// body is one request of a Fake from its arrival to its end. It takes the blob as it is when the
// latency has passed, as a server does that answers late.
type body struct {
	ctx     context.Context
	fake    *Fake
	request *Request // Delivered is guarded by fake.mu
	fault   Fault
	content io.ReaderAt
	id      source.Identity
	left    int64
	read    int64
	held    bool // After is behind us
	closed  atomic.Bool
	ended   sync.Once
}

// open passes the latency, and what is to happen before the first byte.
func (b *body) open() error {
	if err := b.fake.sleep(b.ctx, b.fault.Latency); err != nil {
		return err
	}
	if b.fault.After == 0 {
		if err := b.hold(); err != nil {
			return err
		}
	}
	b.fake.mu.Lock()
	defer b.fake.mu.Unlock()
	b.content, b.id = b.fake.content, b.fake.id
	return nil
}

// hold does what the fault says happens at After.
func (b *body) hold() error {
	b.held = true
	gate := b.fault.Gate
	if b.fault.Stall {
		gate = nil // never closed
	}
	if gate != nil || b.fault.Stall {
		select {
		case <-gate:
		case <-b.ctx.Done():
			return b.ctx.Err()
		case <-b.fake.closed:
			return fs.ErrClosed
		}
	}
	return b.fault.Err
}

func (b *body) Read(p []byte) (int, error) {
	if b.closed.Load() {
		return 0, fs.ErrClosed
	}
	n, err := b.next(p)
	if err != nil {
		b.end()
	}
	return n, err
}

func (b *body) next(p []byte) (int, error) {
	if err := b.fake.alive(b.ctx); err != nil {
		return 0, err
	}
	if b.read > 0 {
		if err := b.fake.sleep(b.ctx, b.fault.Pause); err != nil {
			return 0, err
		}
	}
	n := min(int64(len(p)), b.left)
	if b.fault.Chunk > 0 {
		n = min(n, int64(b.fault.Chunk))
	}
	if b.fault.holds() && !b.held {
		if b.read == b.fault.After {
			if err := b.hold(); err != nil {
				return 0, err
			}
		} else {
			n = min(n, b.fault.After-b.read)
		}
	}
	if b.left == 0 {
		return 0, io.EOF
	}
	if _, err := b.content.ReadAt(p[:n], b.request.Off+b.read); err != nil && err != io.EOF {
		return 0, err
	}
	b.read, b.left = b.read+n, b.left-n
	b.fake.mu.Lock()
	b.request.Delivered += n
	b.fake.mu.Unlock()
	return int(n), nil
}

func (b *body) Close() error {
	b.closed.Store(true)
	b.end()
	return nil
}

// end counts the request out. It may be called again.
func (b *body) end() {
	b.ended.Do(func() {
		b.fake.mu.Lock()
		defer b.fake.mu.Unlock()
		b.fake.inFlight--
	})
}
