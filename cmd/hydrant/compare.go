package main

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"sync"

	"golang.org/x/sync/errgroup"

	"hydrant/internal/units"
	"hydrant/source"
)

const (
	compareWindow   = 4 << 20 // bytes compared with one request
	compareRequests = 8       // at once
)

// comparison holds what is here against its source.
type comparison struct {
	src  source.Source
	id   source.Identity
	here here
	bar  progress

	mu    sync.Mutex // guards found and done
	found findings
	done  int64 // bytes
}

// findings count regions.
type findings struct {
	same, changed, cold, differ uint64
	differing                   []extent // in order, neighbours joined
	sizes                       string   // how the sizes differ, where that matters
}

// extent is a range of bytes.
type extent struct{ off, n int64 }

func (c *comparison) run(ctx context.Context) (*findings, error) {
	c.found.sizes = c.here.sizes(c.id.Size)
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(compareRequests)
	// A window is a whole number of regions: both are powers of two, or the window is a region.
	window := max(compareWindow, c.here.region())
	for off := int64(0); off < c.id.Size && gctx.Err() == nil; off += window {
		g.Go(func() error { return c.window(gctx, off, min(window, c.id.Size-off)) })
	}
	if err := g.Wait(); err != nil {
		return nil, err
	}
	c.found.join()
	return &c.found, ctx.Err()
}

// window compares the regions of [off, off+n). What the source has of them is asked for at once,
// from the first that matters to the last.
func (c *comparison) window(ctx context.Context, off, n int64) error {
	var f findings
	var want []extent
	for r := range c.regions(off, n) {
		switch c.here.fate(r.off) {
		case fateChanged:
			f.changed++
		case fateCold:
			f.cold++
		default:
			want = append(want, r)
		}
	}
	if len(want) > 0 {
		if err := c.compare(ctx, want, &f); err != nil {
			return err
		}
	}
	c.add(&f, n)
	return nil
}

// regions yields the regions of [off, off+n), the last one cut at the end of the source.
func (c *comparison) regions(off, n int64) func(func(extent) bool) {
	return func(yield func(extent) bool) {
		for at := off; at < off+n; at += c.here.region() {
			if !yield(extent{at, min(c.here.region(), off+n-at)}) {
				return
			}
		}
	}
}

func (c *comparison) compare(ctx context.Context, want []extent, f *findings) error {
	base, last := want[0].off, want[len(want)-1]
	there := make([]byte, last.off+last.n-base)
	if err := source.ReadAll(ctx, c.src, c.id, there, base); err != nil {
		return fmt.Errorf("%s: %w", c.src.URL(), err)
	}
	buf := make([]byte, c.here.region())
	for _, r := range want {
		b := buf[:r.n]
		n, err := c.here.ReadAt(ctx, b, r.off)
		if err != nil && !errors.Is(err, io.EOF) {
			return err
		}
		switch {
		case bytes.Equal(b[:n], there[r.off-base:][:r.n]):
			f.same++
		case c.here.fate(r.off) == fateChanged, c.here.forgets(): // since it was looked at first
			f.changed++
		default:
			f.differ++
			f.differing = append(f.differing, r)
		}
	}
	return nil
}

func (c *comparison) add(f *findings, n int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	t := &c.found
	t.same, t.changed, t.cold, t.differ = t.same+f.same, t.changed+f.changed, t.cold+f.cold, t.differ+f.differ
	t.differing = append(t.differing, f.differing...)
	c.done += n
	c.bar.show(moment{percent: float64(c.done) / float64(c.id.Size) * 100, done: c.done, total: c.id.Size, eta: -1})
}

// join sorts the places that differ and makes one of those that touch.
func (f *findings) join() {
	slices.SortFunc(f.differing, func(a, b extent) int { return cmp.Compare(a.off, b.off) })
	var joined []extent
	for _, d := range f.differing {
		if k := len(joined) - 1; k >= 0 && joined[k].off+joined[k].n == d.off {
			joined[k].n += d.n
			continue
		}
		joined = append(joined, d)
	}
	f.differing = joined
}

func sizesDiffer(here, there int64) string {
	if here == there {
		return ""
	}
	return fmt.Sprintf("is %s (%d bytes), the source %s (%d bytes)",
		units.FormatSize(here), here, units.FormatSize(there), there)
}
