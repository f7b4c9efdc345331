package clone

import (
	"context"
	"io"

	"hydrant/source"
	"hydrant/source/retry"
)

// counted is the source as the engine uses it: each request counted where it is sent, transient
// errors tried again above that.
type counted struct {
	inner source.Source
	tried source.Source
	count func()
}

// newCounted takes ownership of src. tries is how often the same bytes are asked for, 0: retry's
// default.
func newCounted(src source.Source, tries int) (*counted, error) {
	c := &counted{inner: src, count: func() {}}
	var err error
	c.tried, err = retry.New(&tally{c}, retry.Options{Tries: tries})
	return c, err
}

func (c *counted) URL() string { return c.inner.URL() }

func (c *counted) Identify(ctx context.Context, n int64) (source.Identity, []byte, error) {
	return c.tried.Identify(ctx, n)
}

func (c *counted) ReadRange(ctx context.Context, id source.Identity, off, n int64) (io.ReadCloser, error) {
	return c.tried.ReadRange(ctx, id, off, n)
}

func (c *counted) Close() error          { return c.inner.Close() }
func (c *counted) Unwrap() source.Source { return c.inner }

// tally is the layer below the retries.
type tally struct{ c *counted }

func (t *tally) URL() string { return t.c.inner.URL() }

func (t *tally) Identify(ctx context.Context, n int64) (source.Identity, []byte, error) {
	t.c.count()
	return t.c.inner.Identify(ctx, n)
}

func (t *tally) ReadRange(ctx context.Context, id source.Identity, off, n int64) (io.ReadCloser, error) {
	t.c.count()
	return t.c.inner.ReadRange(ctx, id, off, n)
}

func (t *tally) Close() error          { return nil }
func (t *tally) Unwrap() source.Source { return t.c.inner }
