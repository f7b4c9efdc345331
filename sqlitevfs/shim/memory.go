package shim

import (
	"context"
	"errors"
	"io"

	"hydrant/clone"
	"hydrant/internal/sqlitefile"
	"hydrant/source"
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
	src, err := v.openSource(ctx, p.source)
	if err != nil {
		return nil, err
	}
	m, err := newMemory(ctx, src)
	if err != nil {
		return nil, errors.Join(err, src.Close())
	}
	e := &engine{id: engineIDs.Add(1), vfs: r.vfs, path: r.path, source: p.source, blob: m}
	if err := e.share(); err != nil {
		return nil, errors.Join(err, m.Close())
	}
	return e, nil
}

func newMemory(ctx context.Context, src source.Source) (*memory, error) {
	id, head, err := src.Identify(ctx, sqlitefile.HeaderSize)
	if err != nil {
		return nil, err
	}
	if _, err := sqlitefile.Decode(head); err != nil && id.Size > 0 {
		return nil, err
	}
	return &memory{src: src, id: id}, nil
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
