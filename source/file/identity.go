package file

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"

	"hydrant/source"
)

// current returns the identity of the file at the path now. It is an error when the path leads
// to another file than the one that is open: what is read must be what is named.
//
// The identity is what the file system says: inode, size, and times of the last change to the
// content and to the inode, in nanoseconds. The device is left out: on overlay, btrfs and NFS
// its number changes from mount to mount, and a clone must survive a reboot. A change that is
// made in the same tick of the file system's clock (some milliseconds before Linux 6.13) as the
// one before it, and in place, does not show.
func (s *Source) current() (source.Identity, error) {
	open, err := s.f.Stat()
	if err != nil {
		return source.Identity{}, err
	}
	named, err := os.Stat(s.path)
	if err != nil {
		return source.Identity{}, classify(err)
	}
	if !os.SameFile(open, named) {
		return source.Identity{}, fmt.Errorf("%w: another file has taken its name", source.ErrChanged)
	}
	return source.Identity{Size: open.Size(), Tag: tag(open)}, nil
}

// verify returns ErrChanged when the file is not version id.
func (s *Source) verify(id source.Identity) error {
	now, err := s.current()
	if err != nil {
		return err
	}
	if now != id {
		return source.ErrChanged
	}
	return nil
}

// classify gives the errors of the file system the names that all sources use.
func classify(err error) error {
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return source.ErrNotFound
	case errors.Is(err, fs.ErrPermission):
		return fmt.Errorf("%w: no permission to read it", source.ErrDenied)
	}
	return err
}

// short is the error for a file that ended before its size: somebody has just cut it.
func short(err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return source.ErrChanged
	}
	return err
}
