//go:build !linux

package state

import (
	"errors"
	"io/fs"
	"os"
	"unsafe"
)

// osFile is a state file where no two processes share one: the volatile part is in this process's
// memory and never written, the lock on the whole is the only one. Only one File may be open on it
// at once, and IsLocal says so.
type osFile struct {
	f    *os.File
	path string
}

func (o *osFile) ReadAt(p []byte, off int64) (int, error)  { return o.f.ReadAt(p, off) }
func (o *osFile) WriteAt(p []byte, off int64) (int, error) { return o.f.WriteAt(p, off) }
func (o *osFile) Sync() error                              { return o.f.Sync() }
func (o *osFile) Fd() uintptr                              { return o.f.Fd() }
func (o *osFile) ID() (FileID, error)                      { return IDOf(o.f.Fd()) }

func (o *osFile) WriteSync(p []byte, off int64) error {
	if _, err := o.f.WriteAt(p, off); err != nil {
		return err
	}
	return o.f.Sync()
}

func (o *osFile) Allocate(size int64) error {
	_, err := o.f.WriteAt(make([]byte, size), 0)
	return err
}

func (o *osFile) Size() (int64, error) {
	st, err := o.f.Stat()
	if err != nil {
		return 0, err
	}
	return st.Size(), nil
}

// Map returns zeros.
func (o *osFile) Map(off, n int64) ([]byte, error) {
	words := make([]uint64, (n+7)/8+1)
	return unsafe.Slice((*byte)(unsafe.Pointer(&words[0])), n), nil
}

// TryLock locks the whole file where it is the attach lock that is asked for. All others are
// between processes, of which there is one.
func (o *osFile) TryLock(off, n int64, exclusive bool) (bool, error) {
	if off != LockAttach {
		return true, nil
	}
	return lockWhole(o.f)
}

// Held is false: there is one process.
func (o *osFile) Held(int64) (bool, error) { return false, nil }

// Unlock keeps the lock on the whole until Close.
func (o *osFile) Unlock(off, n int64) error { return nil }

func (o *osFile) Current() (bool, error) {
	now, err := os.Stat(o.path)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	was, err := o.f.Stat()
	return err == nil && os.SameFile(was, now), err
}

func (o *osFile) Close() error {
	if err := o.f.Close(); !errors.Is(err, os.ErrClosed) {
		return err
	}
	return nil
}
