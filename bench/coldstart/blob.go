package coldstart

import (
	"context"
	"io"
	"math/rand/v2"
	"time"

	"hydrant/bench/report"
	"hydrant/clone"
	"hydrant/source"
	"hydrant/source/scheme"
)

const (
	blobReads = 50   // random ones
	blobPage  = 4096 // bytes each
	blobChunk = 128 << 10
)

// blob measures a cold image that is no database: random reads of 4 KiB, and one read from front to
// end, against ranged GETs.
func (r *run) blob(ctx context.Context, round int) error {
	path := r.file("blob")
	defer remove(path)
	for _, c := range []struct{ strategy, how string }{{"ranged GETs", "get"}, {pages, "off"}, {cold, "on"}} {
		for _, what := range []string{"random", "sequential"} {
			remove(path)
			o, err := r.child(ctx, "blob", c.how, what, r.url, path)
			if err != nil {
				return err
			}
			r.keep(c.strategy, "blob."+what, o)
		}
	}
	return nil
}

// runBlob reads a blob: blob get|off|on random|sequential URL PATH.
func runBlob(ctx context.Context, args []string, _ io.Writer) (map[string]float64, error) {
	begin := time.Now()
	src, err := scheme.Open(ctx, args[2], scheme.Options{})
	if err != nil {
		return nil, err
	}
	var read func(p []byte, off int64) error
	var size int64
	if args[0] == "get" {
		id, _, err := src.Identify(ctx, 1)
		if err != nil {
			return nil, err
		}
		defer src.Close()
		if args[1] == "sequential" {
			return oneGet(ctx, src, id, begin)
		}
		size, read = id.Size, func(p []byte, off int64) error { return source.ReadAll(ctx, src, id, p, off) }
	} else {
		on := args[0] == "on"
		c, err := clone.OpenPath(ctx, src, args[3], &clone.Options{Knobs: clone.Knobs{Hydration: &on}})
		if err != nil {
			return nil, err
		}
		defer c.Close()
		size, read = c.Status().Size, func(p []byte, off int64) error { _, err := c.ReadAt(ctx, p, off); return err }
	}
	if args[1] == "random" {
		return readRandom(size, read)
	}
	buf := make([]byte, blobChunk)
	for off := int64(0); off < size; off += blobChunk {
		if err := read(buf[:min(blobChunk, size-off)], off); err != nil {
			return nil, err
		}
	}
	sec := time.Since(begin).Seconds()
	return map[string]float64{"read": sec, "rate": float64(size) / sec}, nil
}

func readRandom(size int64, read func(p []byte, off int64) error) (map[string]float64, error) {
	rng := rand.New(rand.NewPCG(5, 5))
	var took []float64
	buf := make([]byte, blobPage)
	for range blobReads {
		begin := time.Now()
		if err := read(buf, rng.Int64N(size/blobPage)*blobPage); err != nil {
			return nil, err
		}
		took = append(took, time.Since(begin).Seconds())
	}
	return map[string]float64{"p50": report.Percentile(took, 50), "p99": report.Percentile(took, 99)}, nil
}

// oneGet reads all of it by the one request that a plain reader sends.
func oneGet(ctx context.Context, src source.Source, id source.Identity, begin time.Time) (map[string]float64, error) {
	if err := readRange(ctx, src, id, 0, id.Size); err != nil {
		return nil, err
	}
	sec := time.Since(begin).Seconds()
	return map[string]float64{"read": sec, "rate": float64(id.Size) / sec}, nil
}
