package state

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"sync"

	"golang.org/x/sys/unix"

	"hydrant/internal/pagecache"
)

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

// Map maps the file by a description of its own. A mapping keeps the description that it was made
// from open, and with it the locks: those of a process that died would stay for as long as a child
// that it had forked.
func (o *osFile) Map(off, n int64) ([]byte, error) {
	fd := int(o.f.Fd())
	if again, err := o.reopen(); err == nil {
		defer again.Close()
		fd = int(again.Fd())
	}
	b, err := unix.Mmap(fd, off, int(n), unix.PROT_READ|unix.PROT_WRITE, unix.MAP_SHARED)
	if err == unix.EACCES || err == unix.EPERM {
		b, err = unix.Mmap(fd, off, int(n), unix.PROT_READ, unix.MAP_SHARED) // open for looking only
	}
	if err != nil {
		return nil, pathErr("map", o.path, err)
	}
	o.mu.Lock()
	defer o.mu.Unlock()
	o.maps = append(o.maps, b)
	return b, nil
}

// reopen opens the file once more, in the same way. An error: the name does not lead to it any more.
func (o *osFile) reopen() (*os.File, error) {
	flags, err := unix.FcntlInt(o.f.Fd(), unix.F_GETFL, 0)
	if err != nil {
		return nil, err
	}
	again, err := os.OpenFile(o.path, flags&unix.O_ACCMODE, 0)
	if err != nil {
		return nil, err
	}
	was, err := o.f.Stat()
	now, err2 := again.Stat()
	if err == nil && err2 == nil && os.SameFile(was, now) {
		return again, nil
	}
	return nil, errors.Join(err, err2, fs.ErrNotExist, again.Close())
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

// Held implements File.
func (o *osFile) Held(off int64) (bool, error) {
	for {
		lk := unix.Flock_t{Type: unix.F_WRLCK, Start: off, Len: 1}
		err := unix.FcntlFlock(o.f.Fd(), unix.F_OFD_GETLK, &lk)
		if err == unix.EINTR {
			continue
		}
		return err == nil && lk.Type != unix.F_UNLCK, pathErr("look at the locks of", o.path, err)
	}
}

func (o *osFile) setlk(lk *unix.Flock_t) error {
	for {
		err := unix.FcntlFlock(o.f.Fd(), unix.F_OFD_SETLK, lk)
		if err != unix.EINTR {
			return err
		}
	}
}

// DropCache makes the kernel forget what it holds of the file, but for what is mapped.
func (o *osFile) DropCache() error {
	return pathErr("drop from memory", o.path, pagecache.Drop(o.f.Fd()))
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
