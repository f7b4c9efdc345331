package coldstart

import (
	"context"
	"io"
	"os"
	"time"

	"golang.org/x/sync/errgroup"
	"golang.org/x/sys/unix"

	"hydrant/source"
	"hydrant/source/scheme"
)

const downloadPart = 8 << 20

// download gets the blob by ranges over so many connections, the way somebody does it who has
// thought about it, and syncs it, as a clone is when it is complete.
func download(ctx context.Context, url, path string, conns int) (map[string]float64, error) {
	src, err := scheme.Open(ctx, url, scheme.Options{})
	if err != nil {
		return nil, err
	}
	defer src.Close()
	begin := time.Now()
	id, _, err := src.Identify(ctx, 1)
	if err != nil {
		return nil, err
	}
	return intoFile(path, begin, id.Size, func(f *os.File) error {
		g, ctx := errgroup.WithContext(ctx)
		g.SetLimit(conns)
		for off := int64(0); off < id.Size; off += downloadPart {
			g.Go(func() error { return copyRange(ctx, f, src, id, off, min(downloadPart, id.Size-off)) })
		}
		return g.Wait()
	})
}

func copyRange(ctx context.Context, f *os.File, src source.Source, id source.Identity, off, n int64) error {
	r, err := src.ReadRange(ctx, id, off, n)
	if err != nil {
		return err
	}
	_, err = io.CopyBuffer(struct{ io.Writer }{io.NewOffsetWriter(f, off)}, r, make([]byte, 256<<10))
	if cerr := r.Close(); err == nil {
		err = cerr
	}
	return err
}

// intoFile makes the file at path anew, has get fill it, and syncs it.
func intoFile(path string, begin time.Time, size int64, get func(*os.File) error) (map[string]float64, error) {
	_ = os.Remove(path)
	f, err := os.Create(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	if err := get(f); err != nil {
		return nil, err
	}
	written := time.Since(begin).Seconds()
	if err := unix.Fdatasync(int(f.Fd())); err != nil {
		return nil, err
	}
	synced := time.Since(begin).Seconds()
	return map[string]float64{"written": written, "synced": synced, "rate": float64(size) / synced}, nil
}
