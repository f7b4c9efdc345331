package clone

import (
	"context"
	"io"
	"time"

	"hydrant/source"
	"hydrant/source/hedge"
	"hydrant/source/retry"
)

// counted is the source as the engine uses it: answers that are late asked for twice, each request
// counted where it is sent, transient errors tried again above that.
type counted struct {
	inner   source.Source
	hedged  source.Source
	tried   source.Source
	count   func()
	again   func(n int64)        // of a second request for n bytes
	timeout func() time.Duration // bounds each wait for the source, now
}

// longestSilence bounds how long a connection may say nothing before another is tried.
const longestSilence = 15 * time.Second

// newCounted takes ownership of src. tries is how often the same bytes are asked for, 0: retry's
// default.
func newCounted(src source.Source, tries int, timeout func() time.Duration) (*counted, error) {
	c := &counted{inner: src, hedged: src, count: func() {}, again: func(int64) {}, timeout: timeout}
	if _, here := source.As[source.Localer](src); !here {
		c.hedged = hedge.New(src, hedge.Options{Again: func(n int64) { c.again(n) }})
	}
	var err error
	c.tried, err = retry.New(&tally{c}, retry.Options{Tries: tries, StallNow: c.silence})
	return c, err
}

// silence is half of the timeout at most: what one connection kept to itself, another has time left
// to say.
func (c *counted) silence() time.Duration { return min(c.timeout()/2, longestSilence) }

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
	return t.c.hedged.ReadRange(ctx, id, off, n)
}

func (t *tally) Close() error          { return nil }
func (t *tally) Unwrap() source.Source { return t.c.inner }
