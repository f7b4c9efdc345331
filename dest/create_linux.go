package dest

import (
	"errors"
	"os"

	"golang.org/x/sys/unix"
)

// newFile makes an empty file at name. Its errors speak of the target.
func (t *fileTarget) newFile(name string) (*file, error) {
	graves.sweep()
	fd, err := open(name, unix.O_RDWR|unix.O_CREAT|unix.O_EXCL, uint32(t.mode))
	if err != nil {
		return nil, err
	}
	f := &file{path: t.path, fd: fd}
	if t.exact {
		err = f.use("chmod", func(fd int) error { return unix.Fchmod(fd, uint32(t.mode)) })
	}
	if err != nil {
		return nil, errors.Join(err, os.Remove(name), f.Close())
	}
	return f, nil
}

// making is the byte that a maker has locked until its file has its name: far from all that SQLite
// locks. Like those of graveyard this is an open-file-description lock.
var making = unix.Flock_t{Start: 1 << 60, Len: 1}

func (f *file) lockMaking(kind int16) error {
	lock := making
	lock.Type = kind
	return f.use("lock", func(fd int) error { return unix.FcntlFlock(uintptr(fd), unix.F_OFD_SETLK, &lock) })
}

// hold locks a new file against sweepers, and tells whether it still is at name. Where there are no
// locks a sweeper gets none either, and leaves it alone.
func (f *file) hold(name string) bool {
	err := f.lockMaking(unix.F_WRLCK)
	if errors.Is(err, unix.EAGAIN) || errors.Is(err, unix.EACCES) {
		return false
	}
	now, err := os.Lstat(name)
	if err != nil {
		return false
	}
	is, err := f.Stat()
	return err == nil && inodeOf(is) == inodeOf(now)
}

// release lets go of what hold has taken: a descriptor that is parked (see graveyard) must not keep
// it. An error is no concern of anyone: then there was no lock.
func (f *file) release() { _ = f.lockMaking(unix.F_UNLCK) }

// removeAbandoned takes the file at name away unless somebody holds it. By now it may be the second
// name of a file that SQLite has locked, so that it is closed with the same care as any.
func removeAbandoned(name string) {
	fd, err := open(name, unix.O_RDWR|unix.O_NONBLOCK|unix.O_NOFOLLOW, 0)
	if err != nil {
		return
	}
	f := &file{path: name, fd: fd}
	if f.hold(name) { // nobody takes the name away from a file that is held
		_ = os.Remove(name)
		f.release()
	}
	_ = f.Close()
}

// move renames a file, and fails when something is at path.
func move(name, path string) error {
	return unix.Renameat2(unix.AT_FDCWD, name, unix.AT_FDCWD, path, unix.RENAME_NOREPLACE)
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
