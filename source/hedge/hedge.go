// Package hedge is a wrapper that asks a second time when an answer is late.
//
// Object stores answer most requests soon and a few very late, and which ones is chance: the same
// request, sent again, is most likely answered soon. It belongs directly around a source, inside
// retry, which deals with what fails.
package hedge

import (
	"context"
	"io"
	"time"

	"hydrant/source"
)

// Source sends a second request for a range whose answer has not begun by the 95th percentile of
// the latest ones, takes the answer that begins first, and abandons the other. Both name the identity.
//
// Second requests are at most one for each read and at most a twentieth of all, and none follow for
// a while when the server has said that it is asked too often. What nobody waits for, see
// source.InBackground, is passed through, and so is Identify.
//
// Time is only ever that of timers, so tests run in testing/synctest.
type Source struct {
	src    source.Source
	opts   Options
	recent recent
	budget budget
}

// Options are what the caller of New may choose. The zero value is the default.
type Options struct {
	// Again, unless nil, is told of each second request before it is sent, with its bytes, in the
	// goroutine that called ReadRange.
	Again func(n int64)
}

// New wraps src, which is closed with the wrapper.
func New(src source.Source, opts Options) *Source { return &Source{src: src, opts: opts} }

// URL implements source.Source.
func (s *Source) URL() string { return s.src.URL() }

// Unwrap implements source.Unwrapper.
func (s *Source) Unwrap() source.Source { return s.src }

// Identify implements source.Source.
func (s *Source) Identify(ctx context.Context, n int64) (source.Identity, []byte, error) {
	return s.src.Identify(ctx, n)
}

// Close implements source.Source.
func (s *Source) Close() error { return s.src.Close() }

// ReadRange implements source.Source.
func (s *Source) ReadRange(ctx context.Context, id source.Identity, off, n int64) (io.ReadCloser, error) {
	if source.IsBackground(ctx) {
		body, err := s.src.ReadRange(ctx, id, off, n)
		s.budget.heed(err)
		return body, err
	}
	begun := time.Now()
	s.budget.earn()
	late, ok := s.recent.late()
	var body io.ReadCloser
	var err error
	if ok && s.budget.any() {
		body, err = s.race(ctx, id, off, n, late)
	} else {
		body, err = s.src.ReadRange(ctx, id, off, n)
		s.budget.heed(err)
	}
	if err == nil {
		s.recent.add(time.Since(begun))
	}
	return body, err
}
