package dest

import (
	"errors"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"
)

// Open looks at the name before it opens it: opening a pipe or a device may block or do things,
// and a descriptor once opened cannot always be closed again (see graveyard).
func (t *fileTarget) Open() (Dest, error) {
	graves.sweep()
	info, err := os.Stat(t.path)
	if err != nil {
		return nil, pathError("open", t.path, cause(err))
	}
	if err := checkRegular(info.Mode()); err != nil {
		return nil, pathError("open", t.path, err)
	}
	if fd, ok := graves.raise(inodeOf(info)); ok {
		return &file{path: t.path, fd: fd}, nil
	}
	fd, err := open(t.path, unix.O_RDWR|unix.O_NONBLOCK, 0)
	if err != nil {
		return nil, pathError("open", t.path, err)
	}
	f := &file{path: t.path, fd: fd}
	// The name may lead somewhere else by now.
	if info, err = f.Stat(); err == nil {
		if err = checkRegular(info.Mode()); err != nil {
			err = pathError("open", t.path, err)
		}
	}
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return f, nil
}

func (t *fileTarget) Create() (Dest, error) {
	graves.sweep()
	fd, err := open(t.path, unix.O_RDWR|unix.O_CREAT|unix.O_EXCL, uint32(t.mode))
	if err != nil {
		return nil, pathError("create", t.path, err)
	}
	f := &file{path: t.path, fd: fd}
	if t.exact {
		err = f.use("chmod", func(fd int) error { return unix.Fchmod(fd, uint32(t.mode)) })
	}
	if err == nil {
		err = syncDir(filepath.Dir(t.path))
	}
	if err != nil {
		return nil, errors.Join(err, os.Remove(t.path), f.Close())
	}
	return f, nil
}

// open is open(2). The descriptor is a bare number and never an os.File, which the garbage
// collector would close behind our back.
func open(path string, flags int, mode uint32) (fd int, err error) {
	err = retry(func() error {
		fd, err = unix.Open(path, flags|unix.O_CLOEXEC, mode)
		return err
	})
	return fd, err
}

// syncDir makes the names in a directory durable. File systems that cannot sync a directory have
// no such step.
func syncDir(path string) error {
	dir, err := os.Open(path)
	if err != nil {
		return err
	}
	err = dir.Sync()
	if errors.Is(err, unix.EINVAL) || errors.Is(err, errors.ErrUnsupported) {
		err = nil
	}
	return errors.Join(err, dir.Close())
}

// retry calls f again for as long as a signal interrupts it.
func retry(f func() error) error {
	for {
		if err := f(); err != unix.EINTR {
			return err
		}
	}
}

// cause takes the operation and the path off an error of package os.
func cause(err error) error {
	if e, ok := errors.AsType[*os.PathError](err); ok {
		return e.Err
	}
	return err
}
