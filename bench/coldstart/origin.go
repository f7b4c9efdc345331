package coldstart

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"hydrant/bench/report"
	"hydrant/internal/s3test"
	"hydrant/internal/shopdb"
	"hydrant/source"
	"hydrant/source/scheme"
)

// origin is the database and where it is served.
type origin struct {
	path   string // a local copy that nobody writes to
	url    string
	env    []string
	server *s3test.Server // nil: somebody else's, which tells us nothing
}

// bucket is the one of the server in this process.
const bucket = "bench"

// newOrigin makes the database and serves it, or gets a copy of the one there is.
func (r *run) newOrigin(ctx context.Context) error {
	r.origin = &origin{path: r.file("origin.db"), env: os.Environ()}
	if r.Source != "" {
		r.url = r.Source
		r.tell("fetching %s", r.url)
		if _, err := download(ctx, r.url, r.path, 32); err != nil {
			return err
		}
		return r.probe(ctx)
	}
	var err error
	if r.path, err = r.makeDatabase(ctx, r.Size); err != nil {
		return err
	}
	r.server = s3test.New(s3test.Options{Network: r.network()})
	if err := r.server.Start(); err != nil {
		return err
	}
	for k, v := range r.server.Env() {
		r.env = append(r.env, k+"="+v)
	}
	r.url = r.server.Source(bucket, "shop.db")
	_, err = r.server.PutFile(bucket, "shop.db", r.path)
	return err
}

func (r *run) network() s3test.Network {
	return s3test.Network{Latency: s3test.Fixed(r.RTT), Bandwidth: r.Bandwidth}
}

// makeDatabase makes a shop of that size, once. It is kept in the folder, if that was named.
func (r *run) makeDatabase(ctx context.Context, size int64) (path string, err error) {
	path = filepath.Join(r.dir, fmt.Sprintf("shop-%d.db", size))
	if _, err := os.Stat(path); err == nil {
		return path, nil
	}
	r.tell("making a database of %s", report.Bytes.Format(float64(size)))
	return path, shopdb.Create(ctx, path, shopdb.Options{Size: size, Seed: 1, WAL: true})
}

// probe finds out what the network of a server is like that is not ours: the fastest answer of some
// for the time to the first byte, and one large range for the bandwidth of a connection.
func (r *run) probe(ctx context.Context) error {
	src, err := scheme.Open(ctx, r.url, scheme.Options{})
	if err != nil {
		return err
	}
	defer src.Close()
	id, _, err := src.Identify(ctx, 1)
	if err != nil {
		return err
	}
	var first []float64
	for range 10 {
		begin := time.Now()
		if err := readRange(ctx, src, id, 0, min(id.Size, 1)); err != nil {
			return err
		}
		first = append(first, time.Since(begin).Seconds())
	}
	rtt := report.Median(first)
	n := min(id.Size, 16<<20)
	begin := time.Now()
	if err := readRange(ctx, src, id, 0, n); err != nil {
		return err
	}
	r.Size, r.RTT = id.Size, time.Duration(rtt*float64(time.Second))
	r.Bandwidth = int64(float64(n) / max(1e-6, time.Since(begin).Seconds()-rtt))
	r.note("The server is not ours: time to the first byte and bandwidth are measured, requests and bytes are not counted.")
	return nil
}

func readRange(ctx context.Context, src source.Source, id source.Identity, off, n int64) error {
	body, err := src.ReadRange(ctx, id, off, n)
	if err != nil {
		return err
	}
	_, err = io.Copy(io.Discard, body)
	if cerr := body.Close(); err == nil {
		err = cerr
	}
	return err
}

func (o *origin) reset() {
	if o.server != nil {
		o.server.Reset()
	}
}

// count adds requests and bytes so far to figures, where the server tells.
func (o *origin) count(figures map[string]float64, prefix string) {
	if o.server != nil {
		s := o.server.Stats()
		figures[prefix+"requests"] = float64(s.Total)
		figures[prefix+"bytes"] = float64(s.BytesOut)
	}
}
