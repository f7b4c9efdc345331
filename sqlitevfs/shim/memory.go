package shim

import (
	"context"
	"errors"
	"io"
	"sync"

	"hydrant/clone"
	"hydrant/internal/sqlitefile"
	"hydrant/source"
	"hydrant/source/cache"
	"hydrant/source/retry"
)

// memory is a database without a local file, read only: every page comes from the source.
type memory struct {
	src source.Source
	id  source.Identity
}

// openMemory opens it under the name path, which stands for one source as long as it is open.
func (v *vfs) openMemory(r request, p *params) (*engine, error) {
	if p.source == "" {
		return nil, errors.New("dest=memory: a source= is needed")
	}
	ctx, stop := context.WithTimeoutCause(context.Background(), p.timeout(), clone.ErrTimeout)
	defer stop()
	src, err := v.openBare(ctx, p.source)
	if err != nil {
		return nil, err
	}
	m, err := newMemory(ctx, src)
	if err != nil {
		return nil, err
	}
	e := newEngine(r, p)
	e.blob = m
	if err := e.share(); err != nil {
		return nil, errors.Join(err, m.Close())
	}
	return e, nil
}

// cacheBytes is how much is kept in memory of all databases without a file, and of all clones that
// share what they fetch.
const cacheBytes = 64 << 20

// pool is one for the process: several names may stand for one blob. It is made when first needed
// and never closed.
var pool = sync.OnceValues(func() (*cache.Pool, error) { return cache.NewPool(cacheBytes, cache.Options{}) })

// newMemory owns src, also when it fails.
func newMemory(ctx context.Context, src source.Source) (*memory, error) {
	p, err := pool()
	if err != nil {
		return nil, errors.Join(err, src.Close())
	}
	tried, err := retry.New(src, retry.Options{})
	if err != nil {
		return nil, errors.Join(err, src.Close())
	}
	m := &memory{src: cache.New(tried, p)}
	var head []byte
	m.id, head, err = m.src.Identify(ctx, sqlitefile.HeaderSize)
	if err == nil && m.id.Size > 0 {
		_, err = sqlitefile.Decode(head)
	}
	if err != nil {
		return nil, errors.Join(err, m.Close())
	}
	return m, nil
}

// Offsets in the database header of the versions that tell WAL mode.
const (
	writeVersion = 18
	readVersion  = 19
)

// ReadAt reads from the source. A database in WAL mode is shown as one in rollback mode: WAL needs
// files, and there is nothing to write.
func (m *memory) ReadAt(ctx context.Context, p []byte, off int64) (int, error) {
	n := min(int64(len(p)), m.id.Size-off)
	if n <= 0 {
		return 0, io.EOF
	}
	if err := source.ReadAll(ctx, m.src, m.id, p[:n], off); err != nil {
		return 0, err
	}
	for _, at := range []int64{writeVersion, readVersion} {
		if i := at - off; 0 <= i && i < n && p[i] == 2 {
			p[i] = 1
		}
	}
	if n < int64(len(p)) {
		return int(n), io.EOF
	}
	return int(n), nil
}

// Status is that of something that will never be local.
func (m *memory) Status() clone.Status {
	s := clone.Status{
		State: clone.StatePaused, Mode: "ro", Source: m.src.URL(), Identity: m.id.Tag, Size: m.id.Size, ETA: -1,
	}
	if c, ok := source.As[source.Counter](m.src); ok {
		s.Requests = uint64(c.Requests())
	}
	return s
}

func (m *memory) Close() error { return m.src.Close() }
