package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"time"

	"hydrant/internal/s3test"
	"hydrant/internal/shopdb"
	"hydrant/internal/units"
)

// stage is what the demo plays on: a database, a server that has it, and a directory.
type stage struct {
	t      *terminal
	flags  *demoFlags
	server *s3test.Server
	env    []string // for children
	origin string   // the database, as a file
	url    string   // and as a source
	size   int64
	work   string // removed in the end
}

func newStage(ctx context.Context, t *terminal, f *demoFlags) (_ *stage, err error) {
	d := &stage{t: t, flags: f}
	defer func() {
		if err != nil {
			err = errors.Join(err, d.close())
		}
	}()
	if d.origin, err = d.database(ctx); err != nil {
		return nil, err
	}
	if d.work, err = os.MkdirTemp(f.dir, "run-"); err != nil {
		return nil, err
	}
	d.server = s3test.New(s3test.Options{Network: s3test.Network{
		Latency: s3test.Fixed(f.rtt), Bandwidth: f.bandwidth.n, TotalBandwidth: f.link.n,
	}})
	if err := d.server.Start(); err != nil {
		return nil, err
	}
	if _, err := d.server.PutFile("demo", "shop.db", d.origin); err != nil {
		return nil, err
	}
	d.url = d.server.Source("demo", "shop.db")
	d.env = os.Environ()
	env := d.server.Env()
	for _, name := range slices.Sorted(maps.Keys(env)) {
		d.env = append(d.env, name+"="+env[name])
	}
	return d, nil
}

// database makes the database, or finds the one made before.
func (d *stage) database(ctx context.Context) (string, error) {
	if err := os.MkdirAll(d.flags.dir, 0o755); err != nil {
		return "", err
	}
	path := filepath.Join(d.flags.dir, fmt.Sprintf("shop-%d.db", d.flags.size.n))
	info, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		if err := d.generate(ctx, path); err != nil {
			return "", err
		}
		info, err = os.Stat(path)
	}
	if err != nil {
		return "", err
	}
	d.size = info.Size()
	return path, nil
}

func (d *stage) generate(ctx context.Context, path string) error {
	if err := printf(d.t, "making a database of %s: %s\n", units.FormatSize(d.flags.size.n), path); err != nil {
		return err
	}
	start, bar := time.Now(), newProgress(d.t.err, "making")
	defer bar.clear()
	return shopdb.Create(ctx, path, shopdb.Options{
		Size: d.flags.size.n,
		WAL:  true,
		Progress: func(done, total int64) {
			m := moment{percent: float64(done) / float64(total) * 100, done: done, total: total, eta: -1}
			if passed := time.Since(start).Seconds(); passed > 0.5 && done > 0 {
				m.rate = float64(done) / passed
				m.eta = float64(total-done) / m.rate
			}
			bar.show(m)
		},
	})
}

func (d *stage) file(name string) string { return filepath.Join(d.work, name) }

// close removes all but the database.
func (d *stage) close() (err error) {
	if d.server != nil {
		err = d.server.Close()
	}
	if d.work != "" {
		err = errors.Join(err, os.RemoveAll(d.work))
	}
	return err
}
