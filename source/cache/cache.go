package cache

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"sync"

	"hydrant/source"
)

// Source reads by way of a pool.
//
// A fetch belongs to the source that began it, not to the call: it goes on when the ctx of the
// call ends, as others may have joined it, and ends at the latest with the source. Those of other
// sources who had joined it then fetch for themselves; any other error is theirs as well.
type Source struct {
	src    source.Source
	pool   *Pool
	ctx    context.Context // of fetches; ends with Close
	cancel context.CancelFunc

	mu      sync.Mutex
	closed  bool
	fetches sync.WaitGroup // added to only while not closed
}

// New wraps src, which is closed with the wrapper. The pool is not.
func New(src source.Source, pool *Pool) *Source {
	s := &Source{src: src, pool: pool}
	s.ctx, s.cancel = context.WithCancel(context.Background())
	return s
}

// URL implements source.Source.
func (s *Source) URL() string { return s.src.URL() }

// Unwrap implements source.Unwrapper.
func (s *Source) Unwrap() source.Source { return s.src }

// Identify implements source.Source. It is always asked: what a blob is now is never kept.
func (s *Source) Identify(ctx context.Context, n int64) (source.Identity, []byte, error) {
	return s.src.Identify(ctx, n)
}

// ReadRange implements source.Source. Blocks that are in memory are read from there, also when
// the blob has changed since: they are of the version that is asked for.
func (s *Source) ReadRange(ctx context.Context, id source.Identity, off, n int64) (io.ReadCloser, error) {
	r := &reader{ctx: ctx, s: s, id: id, blob: blobKey(s.src.URL(), id), off: off, end: off + n}
	if off < 0 || n <= 0 || off > id.Size-n {
		return nil, r.fail(fmt.Errorf("range of %d bytes is not inside %d", n, id.Size))
	}
	if err := ctx.Err(); err != nil {
		return nil, r.fail(err)
	}
	if err := r.advance(); err != nil {
		return nil, r.fail(err)
	}
	return r, nil
}

// blobKey is unique to a version of a blob: a tag may have any byte in it, so it comes last but
// for its length.
func blobKey(url string, id source.Identity) string {
	return fmt.Sprintf("%d %d %d %s%s", id.Size, len(url), len(id.Tag), url, id.Tag)
}

// Close implements source.Source. It returns when no fetch of this source is running any more.
func (s *Source) Close() error {
	s.mu.Lock()
	s.closed = true
	s.mu.Unlock()
	s.cancel()
	err := s.src.Close()
	s.fetches.Wait()
	return err
}

// start claims the blocks from first to last of version id, and fetches those that nobody has.
func (s *Source) start(id source.Identity, blob string, first, last int64) ([]*flight, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil, errClosed
	}
	all, runs := s.pool.claim(s, blob, first, last)
	for _, run := range runs {
		s.fetches.Go(func() { s.fetch(id, run) })
	}
	return all, nil
}

var errClosed = fmt.Errorf("cache: %w", fs.ErrClosed)

// fetch lands every flight of a run of neighbours, each as soon as its bytes are there.
func (s *Source) fetch(id source.Identity, run []*flight) {
	size := s.pool.blockSize
	off := run[0].key.block * size
	end := min((run[len(run)-1].key.block+1)*size, id.Size)
	body, err := s.src.ReadRange(s.ctx, id, off, end-off)
	if err == nil {
		defer body.Close()
	}
	for _, f := range run {
		var data []byte
		if err == nil {
			data = make([]byte, min(size, end-off))
			_, err = io.ReadFull(body, data)
			off += int64(len(data))
		}
		if err != nil && s.ctx.Err() != nil && !errors.Is(err, fs.ErrClosed) {
			err = errClosed
		}
		s.pool.land(f, data, err)
	}
}
