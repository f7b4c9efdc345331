package dest

import (
	"io"
	"io/fs"
	"sync"
	"sync/atomic"

	"golang.org/x/sys/unix"
)

// file is an open regular file.
type file struct {
	path string

	// open is held shared by whoever uses the descriptor, and exclusively by Close: the kernel
	// gives the number of a closed descriptor to the next file, and a late write would go there.
	open sync.RWMutex
	fd   int // -1 when closed

	looks bool // opened for reading only

	// lost is the write-back error that AwaitWrite was told of. The kernel tells each descriptor
	// of it once (errseq_t), so that the next fdatasync would succeed over lost data; Sync
	// returns it instead.
	lost atomic.Pointer[error]
}

// use calls f with the descriptor, again when a signal interrupts it.
func (f *file) use(op string, call func(fd int) error) error {
	f.open.RLock()
	defer f.open.RUnlock()
	if f.fd < 0 {
		return pathError(op, f.path, fs.ErrClosed)
	}
	err := retry(func() error { return call(f.fd) })
	if err != nil && err != io.EOF {
		return pathError(op, f.path, err)
	}
	return err
}

func (f *file) ReadAt(p []byte, off int64) (n int, err error) {
	err = f.use("read", func(fd int) error {
		for n < len(p) {
			m, err := unix.Pread(fd, p[n:], off+int64(n))
			if err != nil {
				return err
			}
			if m == 0 {
				return io.EOF
			}
			n += m
		}
		return nil
	})
	return n, err
}

// WriteAt goes on after a short write: where that was the disk being full, the next call says so.
func (f *file) WriteAt(p []byte, off int64) (n int, err error) {
	err = f.use("write", func(fd int) error {
		for n < len(p) {
			m, err := unix.Pwrite(fd, p[n:], off+int64(n))
			if err != nil {
				return err
			}
			if m == 0 {
				return io.ErrShortWrite
			}
			n += m
		}
		return nil
	})
	return n, err
}

func (f *file) Truncate(size int64) error {
	return f.use("truncate", func(fd int) error { return unix.Ftruncate(fd, size) })
}

// Sync is fdatasync(2), which covers the data, the size and where the data is.
func (f *file) Sync() error {
	err := f.use("sync", unix.Fdatasync)
	if lost := f.lost.Load(); lost != nil {
		return *lost
	}
	return err
}

func (f *file) Size() (int64, error) {
	info, err := f.Stat()
	if err != nil {
		return 0, err
	}
	return info.Size(), nil
}

func (f *file) Close() error {
	f.open.Lock()
	fd := f.fd
	f.fd = -1
	f.open.Unlock()
	if fd < 0 {
		return nil
	}
	if f.looks {
		graves.park(fd)
		return nil
	}
	if err := graves.bury(fd); err != nil {
		return pathError("close", f.path, err)
	}
	return nil
}
