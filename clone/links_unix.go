//go:build unix

package clone

import (
	"errors"
	"io/fs"

	"golang.org/x/sys/unix"

	"hydrant/dest"
)

// links is how many names the file has.
func links(s dest.Stater) (uint64, error) {
	var st unix.Stat_t
	if err := unix.Fstat(int(s.Fd()), &st); err != nil {
		return 0, err
	}
	return uint64(st.Nlink), nil
}

// sameFile tells whether path leads to the file that s is.
func sameFile(s dest.Stater, path string) (bool, error) {
	var a, b unix.Stat_t
	if err := unix.Fstat(int(s.Fd()), &a); err != nil {
		return false, err
	}
	err := unix.Stat(path, &b)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	return err == nil && a.Dev == b.Dev && a.Ino == b.Ino, err
}

// replaced tells whether path does not lead to the file that s is, any more.
func replaced(s dest.Stater, path string) (bool, error) {
	same, err := sameFile(s, path)
	return err == nil && !same, err
}
