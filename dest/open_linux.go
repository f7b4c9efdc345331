package dest

import (
	"errors"
	"os"

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

// open is open(2). The descriptor is a bare number and never an os.File, which the garbage
// collector would close behind our back.
func open(path string, flags int, mode uint32) (fd int, err error) {
	err = retry(func() error {
		fd, err = unix.Open(path, flags|unix.O_CLOEXEC, mode)
		return err
	})
	return fd, err
}

// retry calls f again for as long as a signal interrupts it.
func retry(f func() error) error {
	for {
		if err := f(); err != unix.EINTR {
			return err
		}
	}
}
