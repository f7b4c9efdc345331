// Package dest is what a clone writes to: one local file of the blob's full size, sparse at
// first, which in the end is the blob and nothing else.
package dest

import "io/fs"

// Dest is an open destination. All methods may be called at the same time from many goroutines;
// what two overlapping calls do to each other is the caller's affair.
type Dest interface {
	// ReadAt reads len(p) bytes at off. Past the end it returns what there is, and io.EOF.
	ReadAt(p []byte, off int64) (int, error)
	// WriteAt writes p at off, growing the file where it must. It returns n < len(p) only with
	// an error; then some of p may be there.
	WriteAt(p []byte, off int64) (int, error)
	// Truncate sets the size in bytes. Growth reads as zeros.
	Truncate(size int64) error
	// Sync makes everything written before it durable. After an error nothing may be assumed of
	// what was written since the last good Sync, and a later success does not change that.
	Sync() error
	// Size is the size in bytes, as the file system has it.
	Size() (int64, error)
	// Close releases the file. It does not sync. Closing twice is harmless.
	Close() error
}

// Target is a place where a destination is or will be.
type Target interface {
	// Name is the absolute path, or for a destination without one a word for messages.
	Name() string
	// Open opens what is there, for reading and writing; fs.ErrNotExist when nothing is.
	Open() (Dest, error)
	// Create makes the destination whole in one step that survives power loss: fill gets an empty
	// one under no name, writes it and syncs it; then it gets the name, durably, unless something
	// is there: fs.ErrExist, and the name of that is durable then. fill may not have been called,
	// and does not keep what it got. With any other error nothing is there.
	Create(fill func(Dest) error) error
}

// Onlooker is the optional power of a Target to open what is there without permission to write.
// Absent, nobody attaches to a clone there for reading only.
type Onlooker interface {
	// OpenReadOnly opens what is there. Whatever changes the destination fails with
	// fs.ErrPermission, and so does Sync: the kernel tells of a lost write once, and that is for
	// those who write.
	OpenReadOnly() (Dest, error)
}

// Puncher is the optional power to make a range read as zeros without storing them. Absent,
// zeros are written.
type Puncher interface {
	// Punch makes [off, off+n) zeros. The size stays as it is. errors.ErrUnsupported when the
	// file system cannot; then zeros are written by the caller.
	Punch(off, n int64) error
}

// Taker is the optional power to take bytes of another file without a detour through this process.
// Absent, they are read and written.
type Taker interface {
	// TakeFrom makes [off, off+n) what the file of descriptor fd has there. Where both are on a file
	// system that can, they share the blocks; holes become holes. The range lies inside both files.
	// With an error some of it may have been taken; errors.ErrUnsupported: it cannot be done here.
	TakeFrom(fd uintptr, off, n int64) error
}

// WriteBehind is the optional power to have dirty pages written and wait for it, so that a later
// Sync finds little to do. Absent, Sync does it all. It promises nothing about durability.
type WriteBehind interface {
	// AwaitWrite starts write-back of [off, off+n) and returns when it is done.
	AwaitWrite(off, n int64) error
}

// Spacer is the optional power to tell how much room there is. Absent, room is taken to be
// unlimited until a write says otherwise.
type Spacer interface {
	// Space returns the bytes free for this user and the size of the file system, in bytes.
	Space() (free, total int64, err error)
}

// Stater is the optional power to tell which file this is. Absent, the destination cannot
// survive its process.
type Stater interface {
	// Stat describes the open file, not the name.
	Stat() (fs.FileInfo, error)
	// Fd is the descriptor, for statx, locks and reflinks. It is valid until Close, and must not
	// be closed by the caller.
	Fd() uintptr
}

// Dropper is the optional power to forget what of the destination is in memory, so that reads show
// what is on the disk. Absent, the two are taken to be the same.
type Dropper interface {
	// DropCache forgets what was synced before. An error says that some of it could not be.
	DropCache() error
}

// Prober is the optional power to tell holes from data. Absent, everything is taken to be data.
type Prober interface {
	// HasData tells whether anything is stored of [off, off+n), n above 0.
	HasData(off, n int64) (bool, error)
}

// Unwrapper is implemented by wrappers.
type Unwrapper interface {
	// Unwrap returns the destination inside, never nil.
	Unwrap() Dest
}

// As returns the first destination in the chain of wrappers that has the power T.
func As[T any](d Dest) (T, bool) {
	for d != nil {
		if t, ok := d.(T); ok {
			return t, true
		}
		u, ok := d.(Unwrapper)
		if !ok {
			break
		}
		d = u.Unwrap()
	}
	var zero T
	return zero, false
}
