package limit

import (
	"context"
	"io"
	"sync"
)

// reader is one range that holds a place.
type reader struct {
	ctx     context.Context
	body    io.ReadCloser
	limiter *Limiter
	once    sync.Once
}

func (r *reader) Read(p []byte) (int, error) {
	n, err := r.body.Read(p[:min(len(p), r.limiter.rate.chunk())])
	if err != nil {
		r.release()
	}
	if werr := r.limiter.rate.wait(r.ctx, n); werr != nil && n > 0 {
		r.release()
		return 0, werr
	}
	return n, err
}

func (r *reader) Close() error {
	defer r.release()
	return r.body.Close()
}

func (r *reader) release() { r.once.Do(r.limiter.slots.release) }
