package cache

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"

	"hydrant/source"
)

// reader is one range. Not for concurrent use, as any reader.
type reader struct {
	ctx    context.Context
	s      *Source
	id     source.Identity
	blob   string
	off    int64     // of the next byte
	end    int64     // of the range
	coming []*flight // the blocks from that of off on, as far as the window reaches
	closed bool
}

func (r *reader) Read(p []byte) (int, error) {
	switch {
	case r.closed:
		return 0, fs.ErrClosed
	case r.off == r.end:
		return 0, io.EOF
	case len(p) == 0:
		return 0, nil
	}
	data, err := r.block()
	if err != nil {
		return 0, r.fail(err)
	}
	size := r.s.pool.blockSize
	n := copy(p[:min(int64(len(p)), r.end-r.off)], data[r.off%size:])
	r.off += int64(n)
	if r.off%size == 0 {
		r.coming = r.coming[1:]
	}
	return n, nil
}

// block waits for the block that off is in.
func (r *reader) block() ([]byte, error) {
	for {
		if err := r.ended(); err != nil {
			return nil, err
		}
		if len(r.coming) == 0 {
			if err := r.advance(); err != nil {
				return nil, err
			}
		}
		f := r.coming[0]
		select {
		case <-f.done:
		case <-r.ctx.Done():
			return nil, r.ctx.Err()
		case <-r.s.ctx.Done():
			return nil, errClosed
		}
		if f.err == nil {
			return f.data, nil
		}
		if f.owner == r.s || !errors.Is(f.err, fs.ErrClosed) {
			return nil, f.err
		}
		r.coming = nil // whoever fetched it was closed: claim it again
	}
}

// advance claims the next window.
func (r *reader) advance() (err error) {
	size := r.s.pool.blockSize
	first := r.off / size
	last := min((r.end-1)/size, first+max(window/size, 1)-1)
	r.coming, err = r.s.start(r.id, r.blob, first, last)
	return err
}

func (r *reader) ended() error {
	if err := r.ctx.Err(); err != nil {
		return err
	}
	if r.s.ctx.Err() != nil {
		return errClosed
	}
	return nil
}

// Close leaves what is in flight to others, and to memory.
func (r *reader) Close() error {
	r.closed = true
	r.coming = nil
	return nil
}

func (r *reader) fail(err error) error {
	return fmt.Errorf("read %s at %d: %w", r.s.src.URL(), r.off, err)
}
