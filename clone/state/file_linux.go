package state

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"sync"

	"golang.org/x/sys/unix"
)

// FileStore is the state file of the destination at path: path + Suffix, with dest's mode.
type FileStore struct {
	path string
	mode fs.FileMode
}

// Suffix is what a state file's name has that its destination's has not.
const Suffix = "-hydrant"

// PathStore returns the store beside the destination at the absolute path dest. mode is what the
// destination has or will have: SQLite gives its side files the mode of what it takes for their
// database, and with a guard in place that is the state file.
func PathStore(dest string, mode fs.FileMode) *FileStore {
	return &FileStore{path: dest + Suffix, mode: mode}
}

// Name implements Store.
func (s *FileStore) Name() string { return s.path }

// Open implements Store.
func (s *FileStore) Open() (File, error) {
	f, err := os.OpenFile(s.path, os.O_RDWR, 0)
	if err != nil {
		return nil, err
	}
	return s.opened(f)
}

// OpenReadOnly opens the file for looking at it.
func (s *FileStore) OpenReadOnly() (File, error) {
	f, err := os.Open(s.path)
	if err != nil {
		return nil, err
	}
	return s.opened(f)
}

func (s *FileStore) opened(f *os.File) (File, error) {
	st, err := f.Stat()
	if err == nil && !st.Mode().IsRegular() {
		err = errors.New("not a regular file")
	}
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return &osFile{f: f, path: s.path}, nil
}

// Create implements Store: the file is made under a temporary name, and linked to its own when it
// is whole. link(2), unlike rename(2), fails when another process was first.
func (s *FileStore) Create(fill func(File) error) error {
	dir := filepath.Dir(s.path)
	f, err := os.CreateTemp(dir, filepath.Base(s.path)+".*.new")
	if err != nil {
		return err
	}
	of := &osFile{f: f, path: f.Name()}
	err = f.Chmod(s.mode)
	if err == nil {
		err = fill(of)
	}
	if err == nil {
		err = of.Sync()
	}
	if err == nil {
		err = os.Link(f.Name(), s.path)
	}
	err = errors.Join(err, os.Remove(f.Name()), of.Close())
	if err == nil {
		err = SyncDir(dir)
	}
	return err
}

// Remove implements Store.
func (s *FileStore) Remove() error {
	if err := os.Remove(s.path); err != nil {
		return err
	}
	return SyncDir(filepath.Dir(s.path))
}

// SyncDir makes the names in dir durable.
func SyncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	err = d.Sync()
	return errors.Join(err, d.Close())
}

type osFile struct {
	f    *os.File
	path string

	mu     sync.Mutex // guards the rest
	maps   [][]byte
	closed bool
}

func (o *osFile) ReadAt(p []byte, off int64) (int, error)  { return o.f.ReadAt(p, off) }
func (o *osFile) WriteAt(p []byte, off int64) (int, error) { return o.f.WriteAt(p, off) }
func (o *osFile) Fd() uintptr                              { return o.f.Fd() }

// WriteSync uses RWF_DSYNC, which leaves the map's dirty pages alone: an fdatasync of the file
// would write them all.
func (o *osFile) WriteSync(p []byte, off int64) error {
	for len(p) > 0 {
		n, err := unix.Pwritev2(int(o.f.Fd()), [][]byte{p}, off, unix.RWF_DSYNC)
		switch {
		case err == unix.EINTR:
			continue
		case err == unix.EOPNOTSUPP || err == unix.ENOSYS:
			if _, err := o.f.WriteAt(p, off); err != nil {
				return err
			}
			return o.Sync()
		case err != nil:
			return &fs.PathError{Op: "write", Path: o.path, Err: err}
		case n == 0:
			return &fs.PathError{Op: "write", Path: o.path, Err: io.ErrShortWrite}
		}
		p, off = p[n:], off+int64(n)
	}
	return nil
}

func (o *osFile) Sync() error {
	for {
		err := unix.Fdatasync(int(o.f.Fd()))
		if err != unix.EINTR {
			return pathErr("sync", o.path, err)
		}
	}
}

func (o *osFile) Allocate(size int64) error {
	for {
		err := unix.Fallocate(int(o.f.Fd()), 0, 0, size)
		switch err {
		case unix.EINTR:
			continue
		case unix.EOPNOTSUPP:
			_, err := o.f.WriteAt(make([]byte, size), 0)
			return err
		}
		return pathErr("allocate", o.path, err)
	}
}

func (o *osFile) Size() (int64, error) {
	st, err := o.f.Stat()
	if err != nil {
		return 0, err
	}
	return st.Size(), nil
}

func (o *osFile) Map(off, n int64) ([]byte, error) {
	b, err := unix.Mmap(int(o.f.Fd()), off, int(n), unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	if err == unix.EACCES {
		b, err = unix.Mmap(int(o.f.Fd()), off, int(n), unix.PROT_READ, unix.MAP_SHARED)
	}
	if err != nil {
		return nil, pathErr("map", o.path, err)
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	o.maps = append(o.maps, b)
	return b, nil
}

// TryLock uses open-file-description locks: they belong to this File and not to the process, so
// that closing another descriptor of the file drops nothing.
func (o *osFile) TryLock(off, n int64, exclusive bool) (bool, error) {
	lk := unix.Flock_t{Type: unix.F_RDLCK, Start: off, Len: n}
	if exclusive {
		lk.Type = unix.F_WRLCK
	}
	err := o.setlk(&lk)
	if err == unix.EAGAIN || err == unix.EACCES {
		return false, nil
	}
	return err == nil, pathErr("lock", o.path, err)
}

func (o *osFile) Unlock(off, n int64) error {
	lk := unix.Flock_t{Type: unix.F_UNLCK, Start: off, Len: n}
	return pathErr("unlock", o.path, o.setlk(&lk))
}

func (o *osFile) setlk(lk *unix.Flock_t) error {
	for {
		err := unix.FcntlFlock(o.f.Fd(), unix.F_OFD_SETLK, lk)
		if err != unix.EINTR {
			return err
		}
	}
}

func (o *osFile) ID() (FileID, error) { return IDOf(o.f.Fd()) }

func (o *osFile) Current() (bool, error) {
	now, err := IDOfPath(o.path)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("stat %s: %w", o.path, err)
	}
	id, err := o.ID()
	return err == nil && id.SameFile(now), err
}

func (o *osFile) Close() error {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.closed {
		return nil
	}
	o.closed = true
	var errs []error
	for _, b := range o.maps {
		errs = append(errs, unix.Munmap(b))
	}
	return errors.Join(append(errs, o.f.Close())...)
}

func pathErr(op, path string, err error) error {
	if err == nil {
		return nil
	}
	return &fs.PathError{Op: op, Path: path, Err: err}
}
