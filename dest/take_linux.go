package dest

import (
	"errors"
	"fmt"
	"io"

	"golang.org/x/sys/unix"
)

// TakeFrom is copy_file_range(2), which shares blocks where it can. File systems on which it would
// copy the zeros of a hole see the holes punched.
func (f *file) TakeFrom(fd uintptr, off, n int64) error {
	for end := off + n; off < end; {
		data, err := seek(int(fd), off, unix.SEEK_DATA, end)
		if err != nil {
			return takeError(f.path, err)
		}
		if data > off {
			if err := f.Punch(off, data-off); err != nil {
				return takeError(f.path, err)
			}
		}
		hole, err := seek(int(fd), data, unix.SEEK_HOLE, end)
		if err != nil {
			return takeError(f.path, err)
		}
		if err := f.takeData(int(fd), data, hole); err != nil {
			return takeError(f.path, err)
		}
		off = hole
	}
	return nil
}

// takeData copies [off, end).
func (f *file) takeData(from int, off, end int64) error {
	for off < end {
		var n int
		err := f.use("copy into", func(fd int) error {
			in, out := off, off
			var err error
			n, err = unix.CopyFileRange(from, &in, fd, &out, int(end-off), 0)
			return err
		})
		if err == nil && n == 0 {
			err = pathError("copy into", f.path, io.ErrUnexpectedEOF) // from has been cut
		}
		if err != nil {
			return err
		}
		off += int64(n)
	}
	return nil
}

// seek returns where the next data, or hole, begins at or after off, end at most. Nobody uses the
// offset of the descriptor.
func seek(fd int, off int64, whence int, end int64) (int64, error) {
	if off >= end {
		return end, nil
	}
	at, err := unix.Seek(fd, off, whence)
	if err == unix.ENXIO { // nothing but a hole up to the file's end, or beyond that
		return end, nil
	}
	if err != nil {
		return 0, err
	}
	return min(at, end), nil
}

// takeError says of an error whether it means that two files cannot be copied between at all.
func takeError(path string, err error) error {
	for _, not := range []error{unix.EXDEV, unix.EOPNOTSUPP, unix.ENOSYS, unix.EINVAL, errors.ErrUnsupported} {
		if errors.Is(err, not) {
			return fmt.Errorf("copy into %s: %w: %w", path, errors.ErrUnsupported, err)
		}
	}
	return err
}
