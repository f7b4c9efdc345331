package dest

import (
	"errors"

	"golang.org/x/sys/unix"

	"hydrant/internal/pagecache"
)

// Punch is fallocate(2) with FALLOC_FL_PUNCH_HOLE.
func (f *file) Punch(off, n int64) error {
	if n == 0 {
		return nil
	}
	return f.use("punch", func(fd int) error {
		return unix.Fallocate(fd, unix.FALLOC_FL_PUNCH_HOLE|unix.FALLOC_FL_KEEP_SIZE, off, n)
	})
}

// AwaitWrite returns an error of write-back once, here, and every later Sync returns it too.
func (f *file) AwaitWrite(off, n int64) error {
	err := f.syncRange("await write-back", off, n,
		unix.SYNC_FILE_RANGE_WAIT_BEFORE|unix.SYNC_FILE_RANGE_WRITE|unix.SYNC_FILE_RANGE_WAIT_AFTER)
	if isLoss(err) {
		f.lost.CompareAndSwap(nil, &err)
	}
	return err
}

// syncRange is sync_file_range(2), to which a length of 0 would mean the rest of the file.
func (f *file) syncRange(op string, off, n int64, flags int) error {
	if n == 0 {
		return nil
	}
	return f.use(op, func(fd int) error { return unix.SyncFileRange(fd, off, n, flags) })
}

// isLoss tells errors of write-back from those of a call that never reached it.
func isLoss(err error) bool {
	return errors.Is(err, unix.EIO) || errors.Is(err, unix.ENOSPC) || errors.Is(err, unix.EDQUOT)
}

func (f *file) Space() (free, total int64, err error) {
	var st unix.Statfs_t
	err = f.use("statfs", func(fd int) error { return unix.Fstatfs(fd, &st) })
	if err != nil {
		return 0, 0, err
	}
	unit := int64(st.Frsize)
	return int64(st.Bavail) * unit, int64(st.Blocks) * unit, nil
}

// HasData is lseek(2) with SEEK_DATA. Nobody uses the descriptor's offset.
func (f *file) HasData(off, n int64) (has bool, err error) {
	err = f.use("look for data", func(fd int) error {
		at, err := unix.Seek(fd, off, unix.SEEK_DATA)
		if err == unix.ENXIO { // none behind off
			return nil
		}
		has = err == nil && at < off+n
		return err
	})
	return has, err
}

// DropCache makes the kernel forget its pages.
func (f *file) DropCache() error {
	return f.use("drop from memory", func(fd int) error { return pagecache.Drop(uintptr(fd)) })
}

// Fd returns the largest uintptr after Close.
func (f *file) Fd() uintptr {
	f.open.RLock()
	defer f.open.RUnlock()
	return uintptr(f.fd)
}
