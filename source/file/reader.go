package file

import (
	"context"
	"fmt"
	"io"
	"io/fs"

	"hydrant/source"
)

// reader reads one range. Not for concurrent use, as any reader.
type reader struct {
	ctx    context.Context
	s      *Source
	id     source.Identity
	off    int64
	left   int64
	closed bool
}

// Read reads first and asks afterwards whether the file is still the same, so that bytes of
// another version are never given out.
func (r *reader) Read(p []byte) (int, error) {
	if r.closed {
		return 0, fs.ErrClosed
	}
	if r.left == 0 {
		return 0, io.EOF
	}
	if err := r.ctx.Err(); err != nil {
		return 0, r.fail(err)
	}
	p = p[:min(int64(len(p)), r.left)]
	if len(p) == 0 {
		return 0, nil
	}
	n, err := r.s.f.ReadAt(p, r.off)
	if n < len(p) {
		return 0, r.fail(short(err))
	}
	if err := r.s.verify(r.id); err != nil {
		return 0, r.fail(err)
	}
	r.off, r.left = r.off+int64(n), r.left-int64(n)
	return n, nil
}

func (r *reader) Close() error {
	r.closed = true
	return nil
}

func (r *reader) fail(err error) error {
	return fmt.Errorf("read %s at %d: %w", r.s.path, r.off, err)
}
