package crashdest

import (
	"io"
	"io/fs"
)

// file is an open destination on a disk.
type file struct {
	disk   *Disk
	closed bool // guarded by disk.mu
}

// use calls f under the disk's lock. Offsets and lengths that are negative are refused.
func (f *file) use(op string, off, n int64, call func(d *Disk) error) error {
	f.disk.mu.Lock()
	defer f.disk.mu.Unlock()
	var err error
	switch {
	case f.closed:
		err = fs.ErrClosed
	case off < 0 || n < 0:
		err = fs.ErrInvalid
	default:
		return call(f.disk)
	}
	return &fs.PathError{Op: op, Path: f.disk.Name(), Err: err}
}

func (f *file) ReadAt(p []byte, off int64) (n int, err error) {
	err = f.use("read", off, 0, func(d *Disk) error {
		if off < int64(len(d.now)) {
			n = copy(p, d.now[off:])
		}
		if n < len(p) {
			return io.EOF
		}
		return nil
	})
	return n, err
}

func (f *file) WriteAt(p []byte, off int64) (n int, err error) { return f.write(p, off, false) }

// WriteSync writes p at off. When it has returned p is durable, and nothing else that was not.
func (f *file) WriteSync(p []byte, off int64) error {
	_, err := f.write(p, off, true)
	return err
}

func (f *file) write(p []byte, off int64, sync bool) (n int, err error) {
	defer f.disk.hold()()
	err = f.use("write", off, 0, func(d *Disk) error {
		if n = len(p); n > 0 {
			d.doLocked(op{off: off, data: clone(p)}, sync)
		}
		return nil
	})
	return n, err
}

func (f *file) Truncate(size int64) error {
	defer f.disk.hold()()
	return f.use("truncate", size, 0, func(d *Disk) error {
		d.doLocked(op{off: size, size: true}, false)
		return nil
	})
}

func (f *file) Punch(off, n int64) error {
	defer f.disk.hold()()
	return f.use("punch", off, n, func(d *Disk) error {
		if n = min(n, int64(len(d.now))-off); n > 0 {
			d.doLocked(op{off: off, data: make([]byte, n), hole: true}, false)
		}
		return nil
	})
}

// DropCache implements dest.Dropper.
func (f *file) DropCache() error {
	return f.use("drop", 0, 0, func(d *Disk) error { d.dropLocked(); return nil })
}

func (f *file) Sync() error {
	defer f.disk.hold()()
	return f.use("sync", 0, 0, (*Disk).syncLocked)
}

func (f *file) Size() (size int64, err error) {
	err = f.use("stat", 0, 0, func(d *Disk) error {
		size = int64(len(d.now))
		return nil
	})
	return size, err
}

func (f *file) Close() error {
	f.disk.mu.Lock()
	defer f.disk.mu.Unlock()
	f.closed = true
	return nil
}
