package dest

import (
	"errors"
	"io/fs"
	"os"

	"golang.org/x/sys/unix"
)

// OpenReadOnly implements Onlooker. What it opens has the power Stater.
func (t *fileTarget) OpenReadOnly() (Dest, error) {
	info, err := os.Stat(t.path)
	if err != nil {
		return nil, pathError("open", t.path, cause(err))
	}
	if err := checkRegular(info.Mode()); err != nil {
		return nil, pathError("open", t.path, err)
	}
	fd, ok := graves.raiseReadOnly(inodeOf(info))
	if !ok {
		if fd, err = open(t.path, unix.O_RDONLY|unix.O_NONBLOCK, 0); err != nil {
			return nil, pathError("open", t.path, err)
		}
	}
	f := &file{path: t.path, fd: fd, looks: true}
	// The name may lead somewhere else by now.
	if info, err = f.Stat(); err == nil {
		if err = checkRegular(info.Mode()); err != nil {
			err = pathError("open", t.path, err)
		}
	}
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return readOnlyFile{readOnly{f}, f}, nil
}

// readOnlyFile is a file that is only looked at.
type readOnlyFile struct {
	readOnly
	f *file
}

// Stat implements Stater.
func (r readOnlyFile) Stat() (fs.FileInfo, error) { return r.f.Stat() }

// Fd implements Stater.
func (r readOnlyFile) Fd() uintptr { return r.f.Fd() }
