// Package limit is a wrapper that keeps within a bandwidth and a number of requests at once.
package limit

import (
	"context"
	"fmt"
	"io"

	"hydrant/source"
)

// Source waits for a place and for bandwidth from its Limiter, which many sources may share.
type Source struct {
	src     source.Source
	limiter *Limiter
}

// New wraps src, which is closed with the wrapper.
func New(src source.Source, limiter *Limiter) *Source {
	return &Source{src: src, limiter: limiter}
}

// URL implements source.Source.
func (s *Source) URL() string { return s.src.URL() }

// Unwrap implements source.Unwrapper.
func (s *Source) Unwrap() source.Source { return s.src }

// Identify implements source.Source.
func (s *Source) Identify(ctx context.Context, n int64) (source.Identity, []byte, error) {
	if err := s.limiter.slots.acquire(ctx); err != nil {
		return source.Identity{}, nil, fmt.Errorf("wait for a connection to %s: %w", s.URL(), err)
	}
	defer s.limiter.slots.release()
	id, first, err := s.src.Identify(ctx, n)
	if err != nil {
		return id, first, err
	}
	return id, first, s.limiter.rate.wait(ctx, len(first))
}

// ReadRange implements source.Source. The place is held until the last byte, an error or Close.
func (s *Source) ReadRange(ctx context.Context, id source.Identity, off, n int64) (io.ReadCloser, error) {
	if err := s.limiter.slots.acquire(ctx); err != nil {
		return nil, fmt.Errorf("wait for a connection to %s: %w", s.URL(), err)
	}
	body, err := s.src.ReadRange(ctx, id, off, n)
	if err != nil {
		s.limiter.slots.release()
		return nil, err
	}
	return &reader{ctx: ctx, body: body, limiter: s.limiter}, nil
}

// Close implements source.Source.
func (s *Source) Close() error { return s.src.Close() }
