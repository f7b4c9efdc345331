package retry

import (
	"context"
	"io"
	"io/fs"

	"hydrant/source"
)

// reader is one range, over as many tries as it takes.
type reader struct {
	ctx    context.Context
	s      *Source
	id     source.Identity
	off    int64 // of the next byte
	left   int64
	tries  *tries
	body   io.ReadCloser // of the current try; nil between two
	watch  *watchdog     // of the current try
	broken error         // why the last try ended, until the next begins
	err    error         // of all Reads from now on
}

// open tries until there is a body that begins at off.
func (r *reader) open() error {
	for {
		if r.broken != nil {
			if err := r.tries.next(r.broken); err != nil {
				return err
			}
		}
		w := watch(r.ctx, r.s.opts.stall())
		w.arm()
		body, err := r.s.src.ReadRange(w.ctx, r.id, r.off, r.left)
		w.disarm()
		if err == nil {
			r.body, r.watch, r.broken = body, w, nil
			return nil
		}
		r.broken = w.explain(err)
		w.end()
	}
}

func (r *reader) Read(p []byte) (int, error) {
	if len(p) == 0 || r.err != nil {
		return 0, r.err
	}
	for {
		if r.body == nil {
			if r.err = r.open(); r.err != nil {
				return 0, r.err
			}
		}
		n, err := r.read(p)
		if err == io.EOF {
			r.err = io.EOF
		} else if err != nil {
			r.drop()
			r.broken = err
		}
		if n > 0 {
			return n, nil
		}
		if r.err != nil {
			return 0, r.err
		}
	}
}

// read reads from the current try. io.EOF is the end of the range, and of nothing shorter.
func (r *reader) read(p []byte) (int, error) {
	r.watch.arm()
	n, err := r.body.Read(p[:min(int64(len(p)), r.left)])
	r.watch.disarm()
	r.off, r.left = r.off+int64(n), r.left-int64(n)
	if n > 0 {
		r.tries.progress()
	}
	switch {
	case err == io.EOF && r.left > 0:
		err = source.WithKind(source.BadAnswer("the body ended %d bytes early", r.left), source.Transient)
	case err != nil && err != io.EOF && r.left == 0:
		err = io.EOF // all has arrived; what happens to the connection now is of no interest
	case err != io.EOF:
		err = r.watch.explain(err)
	}
	return n, err
}

// drop ends the current try.
func (r *reader) drop() {
	if r.body != nil {
		r.body.Close()
		r.watch.end()
		r.body = nil
	}
}

func (r *reader) Close() error {
	r.drop()
	if r.err == nil {
		r.err = fs.ErrClosed
	}
	return nil
}
