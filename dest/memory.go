package dest

import (
	"errors"
	"io/fs"
	"sync/atomic"
)

// Memory returns a target in memory that is empty and not there yet. What is created in it stays,
// across Close and Open, for as long as the target itself. Holes take no memory, in units of 64
// KiB. It has the power Puncher; Sync does nothing.
func Memory() Target { return &memoryTarget{} }

type memoryTarget struct {
	store atomic.Pointer[chunks] // nil: nothing is there
}

func (t *memoryTarget) Name() string { return "memory" }

func (t *memoryTarget) Open() (Dest, error) {
	store := t.store.Load()
	if store == nil {
		return nil, pathError("open", t.Name(), fs.ErrNotExist)
	}
	return &memory{store: store}, nil
}

// OpenReadOnly implements Onlooker.
func (t *memoryTarget) OpenReadOnly() (Dest, error) {
	d, err := t.Open()
	if err != nil {
		return nil, err
	}
	return readOnly{d}, nil
}

func (t *memoryTarget) Create(fill func(Dest) error) error {
	if t.store.Load() == nil {
		d := &memory{store: new(chunks)}
		if err := errors.Join(fill(d), d.Close()); err != nil {
			return err
		}
		if t.store.CompareAndSwap(nil, d.store) {
			return nil
		}
	}
	return pathError("create", t.Name(), fs.ErrExist)
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
