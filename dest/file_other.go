//go:build !linux

package dest

import (
	"errors"
	"os"
)

// Open looks at the name before it opens it: opening a pipe or a device may block or do things.
func (t *fileTarget) Open() (Dest, error) {
	info, err := os.Stat(t.path)
	if err != nil {
		return nil, err
	}
	if err := checkRegular(info.Mode()); err != nil {
		return nil, pathError("open", t.path, err)
	}
	f, err := os.OpenFile(t.path, os.O_RDWR, 0)
	if err != nil {
		return nil, err
	}
	return &file{f}, nil
}

// newFile makes an empty file at name.
func (t *fileTarget) newFile(name string) (*file, error) {
	f, err := os.OpenFile(name, os.O_RDWR|os.O_CREATE|os.O_EXCL, t.mode)
	if err != nil {
		return nil, err
	}
	if t.exact {
		err = f.Chmod(t.mode)
	}
	if err != nil {
		return nil, errors.Join(err, f.Close(), os.Remove(name))
	}
	return &file{f}, nil
}

// hold takes no lock: one process uses a clone here, and makes one file at a time.
func (f *file) hold(string) bool { return true }
func (f *file) release()         {}

func removeAbandoned(name string) { _ = os.Remove(name) }

func move(name, path string) error { return errors.ErrUnsupported }

// syncDir leaves the durability of names to the file system.
func syncDir(string) error { return nil }

// file is an open regular file.
type file struct{ f *os.File }

func (f *file) ReadAt(p []byte, off int64) (int, error) {
	if len(p) == 0 {
		return 0, nil
	}
	return f.f.ReadAt(p, off)
}

func (f *file) WriteAt(p []byte, off int64) (int, error) { return f.f.WriteAt(p, off) }
func (f *file) Truncate(size int64) error                { return f.f.Truncate(size) }
func (f *file) Sync() error                              { return f.f.Sync() }
func (f *file) Stat() (os.FileInfo, error)               { return f.f.Stat() }
func (f *file) Fd() uintptr                              { return f.f.Fd() }

func (f *file) Size() (int64, error) {
	info, err := f.f.Stat()
	if err != nil {
		return 0, err
	}
	return info.Size(), nil
}

func (f *file) Close() error {
	if err := f.f.Close(); !errors.Is(err, os.ErrClosed) {
		return err
	}
	return nil
}
