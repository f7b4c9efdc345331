package dest

import (
	"io/fs"
	"sync/atomic"
)

// Memory returns a target in memory that is empty and not there yet. What is created in it stays,
// across Close and Open, for as long as the target itself. Holes take no memory, in units of 64
// KiB. It has the power Puncher; Sync does nothing.
func Memory() Target { return &memoryTarget{} }

type memoryTarget struct {
	created atomic.Bool
	store   chunks
}

func (t *memoryTarget) Name() string { return "memory" }

func (t *memoryTarget) Open() (Dest, error) {
	if !t.created.Load() {
		return nil, pathError("open", t.Name(), fs.ErrNotExist)
	}
	return &memory{store: &t.store}, nil
}

func (t *memoryTarget) Create() (Dest, error) {
	if !t.created.CompareAndSwap(false, true) {
		return nil, pathError("create", t.Name(), fs.ErrExist)
	}
	return &memory{store: &t.store}, nil
}

// memory is an open memoryTarget.
type memory struct {
	store  *chunks
	closed atomic.Bool
}

// check returns what is wrong with doing op to [off, off+n) now.
func (m *memory) check(op string, off, n int64) error {
	if m.closed.Load() {
		return pathError(op, "memory", fs.ErrClosed)
	}
	if off < 0 || n < 0 || off+n < off {
		return pathError(op, "memory", fs.ErrInvalid)
	}
	return nil
}

func (m *memory) ReadAt(p []byte, off int64) (int, error) {
	if err := m.check("read", off, int64(len(p))); err != nil {
		return 0, err
	}
	return m.store.read(p, off)
}

func (m *memory) WriteAt(p []byte, off int64) (int, error) {
	if err := m.check("write", off, int64(len(p))); err != nil {
		return 0, err
	}
	m.store.write(p, off)
	return len(p), nil
}

func (m *memory) Truncate(size int64) error {
	if err := m.check("truncate", size, 0); err != nil {
		return err
	}
	m.store.truncate(size)
	return nil
}

func (m *memory) Punch(off, n int64) error {
	if err := m.check("punch", off, n); err != nil {
		return err
	}
	m.store.zero(off, off+n)
	return nil
}

func (m *memory) Sync() error { return m.check("sync", 0, 0) }

func (m *memory) Size() (int64, error) {
	if err := m.check("stat", 0, 0); err != nil {
		return 0, err
	}
	return m.store.len(), nil
}

func (m *memory) Close() error {
	m.closed.Store(true)
	return nil
}
