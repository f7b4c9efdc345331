package torture

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"time"
	"unsafe"

	"hydrant/bitmap"
	"hydrant/clone"
	"hydrant/internal/sqlitefile"
	"hydrant/source"
	"hydrant/source/retry"
	"hydrant/source/scheme"
	"hydrant/sqlitevfs"
)

// observe does to a clone what people do at a prompt while others use it.
func (c *child) observe(ctx context.Context) error {
	r := random(c.Seed, 'O', 0, 0)
	for !c.ending.Load() {
		var err error
		switch r.IntN(6) {
		case 0:
			short, done := context.WithTimeout(ctx, 15*time.Second)
			err = ignore(c.verify(short), context.DeadlineExceeded) // the source may be slow, and large
			done()
		case 1, 2:
			err = ignore(c.tune(r), fs.ErrNotExist)
		default:
			var s clone.Status
			if s, err = clone.Inspect(c.Path); err == nil && s.Percent() == 100 && s.State != clone.StateComplete && s.State != clone.StateDetached {
				err = broken{fmt.Errorf("100 %% and %s", s.State)}
			}
			err = ignore(err, fs.ErrNotExist)
		}
		if err != nil {
			c.trouble("observe", err)
		} else {
			c.say(Event{What: SaidLooked})
		}
		rest(r.Int64N(int64(max(1, c.Pause))))
	}
	return nil
}

func ignore(err, what error) error {
	if errors.Is(err, what) {
		return nil
	}
	return err
}

func (c *child) tune(r *rand.Rand) error {
	on, bandwidth, connections := r.IntN(3) > 0 && !c.Light, pick(r, int64(0), 0, 100<<10, 1<<20, 10<<20), pick(r, 0, 1, 2, 8)
	batch := int64(64<<10) << r.IntN(5)
	return clone.TunePath(c.Path, clone.Knobs{Hydration: &on, Bandwidth: &bandwidth, Connections: &connections, Batch: &batch})
}

// openSource opens a source as the command does.
func openSource(ctx context.Context, url string) (source.Source, error) {
	bare, err := scheme.Open(ctx, url, scheme.Options{})
	if err != nil {
		return nil, err
	}
	return retry.New(bare, retry.Options{})
}

// attach opens a clone that exists, as a file; nil when it is none any more.
func (c *child) attach(ctx context.Context, opts clone.Options) (*clone.Clone, error) {
	opts.NoCreate = true
	opts.OpenSource = func(ctx context.Context, url string) (source.Source, error) {
		return scheme.Open(ctx, url, scheme.Options{})
	}
	opts.ChooseRegion = func(head []byte, _ int64) int64 { return sqlitefile.PageSize(head) }
	opts.Quiesce = sqlitevfs.Quiesce(c.Path)
	cl, err := clone.OpenPath(ctx, nil, c.Path, &opts)
	if errors.Is(err, clone.ErrPlain) || errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	return cl, err
}

// verify compares what was not written with the source, while others write.
func (c *child) verify(ctx context.Context) (err error) {
	cl, err := c.attach(ctx, clone.Options{NoBackground: true})
	if cl == nil || err != nil {
		return err
	}
	defer func() { err = errors.Join(err, cl.Close()) }()
	src, err := openSource(ctx, c.Source)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, src.Close()) }()
	id, _, err := src.Identify(ctx, 1)
	if err != nil {
		return err
	}
	view := cl.View()
	written, hydrated := mapOver(view.Written, view.Regions), mapOver(view.Hydrated, view.Regions)
	there := make([]byte, id.Size)
	if err := source.ReadAll(ctx, src, id, there, 0); err != nil {
		return err
	}
	region := int64(1) << view.RegionShift
	here := make([]byte, region)
	for off := int64(0); off < id.Size && !c.ending.Load(); off += region {
		if c.Light && !hydrated.Test(uint64(off>>view.RegionShift)) {
			continue
		}
		n, err := cl.ReadAt(ctx, here[:min(region, id.Size-off)], off)
		if err != nil && !errors.Is(err, io.EOF) {
			return err
		}
		size, err := cl.Size()
		if err != nil {
			return err
		}
		if bytes.Equal(here[:n], there[off:off+int64(n)]) || written.Test(uint64(off>>view.RegionShift)) || size < id.Size {
			continue
		}
		if !cl.Guarded() {
			return nil // once it is complete, nobody takes down what is written
		}
		return broken{fmt.Errorf("the region at %d was not written and is not the source's", off)}
	}
	return nil
}

func mapOver(words unsafe.Pointer, n uint64) *bitmap.Map {
	if words == nil {
		return bitmap.New(n)
	}
	m, err := bitmap.Over(unsafe.Slice((*uint64)(words), bitmap.Words(n)), n)
	if err != nil {
		panic(err) // the engine's own map, of the engine's own length
	}
	return m
}
