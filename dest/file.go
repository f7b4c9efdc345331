package dest

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
)

// ErrNotRegular is returned by Open when what is there is not a regular file.
var ErrNotRegular = errors.New("not a regular file")

// File is the target at path, which is taken relative to the directory the process is in now.
// Create makes it with mode 0644 less the umask. Symbolic links are followed by Open, not by Create.
//
// On Linux the destination has the powers Puncher, Taker, WriteBehind, Spacer, Dropper, Prober and Stater, and closing it
// does not disturb the POSIX locks that the process holds on the same file (see graveyard).
// Elsewhere it has Stater, and closing it drops those locks.
func File(path string) Target {
	return &fileTarget{path: absolute(path), mode: 0o644}
}

// FileMode is File with the permissions that Create gives the file, whatever the umask is.
func FileMode(path string, mode fs.FileMode) Target {
	return &fileTarget{path: absolute(path), mode: mode.Perm(), exact: true}
}

type fileTarget struct {
	path  string
	mode  fs.FileMode
	exact bool // mode is not subject to the umask

	step func(string) // a test's, see reach; nil: none
}

// absolute leaves path as it is when the process is in a directory that has no name any more.
func absolute(path string) string {
	if abs, err := filepath.Abs(path); err == nil {
		return abs
	}
	return path
}

func (t *fileTarget) Name() string { return t.path }

func pathError(op, path string, err error) error {
	return &fs.PathError{Op: op, Path: path, Err: err}
}

// checkRegular says what is wrong with a file that is not a regular one.
func checkRegular(mode fs.FileMode) error {
	kind := ""
	switch mode.Type() {
	case 0:
		return nil
	case fs.ModeDir:
		kind = "a directory"
	case fs.ModeNamedPipe:
		kind = "a named pipe"
	case fs.ModeSocket:
		kind = "a socket"
	case fs.ModeDevice, fs.ModeDevice | fs.ModeCharDevice:
		kind = "a device"
	default:
		kind = "something else"
	}
	return fmt.Errorf("is %s, %w", kind, ErrNotRegular)
}
