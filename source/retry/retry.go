// Package retry is a wrapper that asks again when an error may go away by itself.
//
// It belongs directly around a source, inside limit and cache: a try that waits keeps its place
// there, which is what a server wants that is asked too often.
package retry

import (
	"context"
	"io"
	"sync"

	"hydrant/source"
)

// Source tries every call on the source inside until it succeeds, fails for good, or the budget
// is used up: the tries of Options, or the deadline of the call's ctx, whichever is first. A body
// that breaks is resumed where it stopped, so no byte is fetched twice.
//
// Time is only ever that of timers and ctx, so tests run in testing/synctest.
type Source struct {
	src    source.Source
	opts   Options
	closed chan struct{}
	once   sync.Once
}

// New wraps src, which is closed with the wrapper.
func New(src source.Source, opts Options) (*Source, error) {
	opts, err := opts.withDefaults()
	if err != nil {
		return nil, err
	}
	return &Source{src: src, opts: opts, closed: make(chan struct{})}, nil
}

// URL implements source.Source.
func (s *Source) URL() string { return s.src.URL() }

// Unwrap implements source.Unwrapper.
func (s *Source) Unwrap() source.Source { return s.src }

// Identify implements source.Source. A try that has not answered within Options.Stall is given
// up, so n should be what arrives in that time on a slow connection.
func (s *Source) Identify(ctx context.Context, n int64) (source.Identity, []byte, error) {
	tries := s.begin(ctx)
	for {
		id, first, err := s.identify(ctx, n)
		if err == nil {
			return id, first, nil
		}
		if err := tries.next(err); err != nil {
			return source.Identity{}, nil, err
		}
	}
}

func (s *Source) identify(ctx context.Context, n int64) (source.Identity, []byte, error) {
	w := watch(ctx, s.opts.stall())
	defer w.end()
	w.arm()
	id, first, err := s.src.Identify(w.ctx, n)
	return id, first, w.explain(err)
}

// ReadRange implements source.Source.
func (s *Source) ReadRange(ctx context.Context, id source.Identity, off, n int64) (io.ReadCloser, error) {
	r := &reader{ctx: ctx, s: s, id: id, off: off, left: n, tries: s.begin(ctx)}
	if err := r.open(); err != nil {
		return nil, err
	}
	return r, nil
}

// Close implements source.Source. Nothing is tried again afterwards.
func (s *Source) Close() error {
	s.once.Do(func() { close(s.closed) })
	return s.src.Close()
}
