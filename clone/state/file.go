package state

import (
	"errors"
	"io"
)

// File is an open state file.
type File interface {
	io.ReaderAt
	io.WriterAt
	// WriteSync writes p at off and returns when those bytes, and not necessarily any others,
	// are on stable storage.
	WriteSync(p []byte, off int64) error
	// Sync makes all written bytes durable.
	Sync() error
	// Allocate reserves room for [0, size) and sets the size, so that no later store fails for
	// want of room.
	Allocate(size int64) error
	// Size is the size in bytes.
	Size() (int64, error)
	// Map returns [off, off+n) as memory shared with every process that maps it. off is a
	// multiple of 4096. It is valid until Close.
	Map(off, n int64) ([]byte, error)
	// TryLock takes or changes a lock on [off, off+n), owned by this File (not by the process).
	// It never waits: false means that another File is in the way. Parts already held are
	// converted.
	TryLock(off, n int64, exclusive bool) (bool, error)
	// Held tells whether another File holds a lock, of whatever kind, on the byte at off.
	Held(off int64) (bool, error)
	// Unlock gives up what this File holds of [off, off+n).
	Unlock(off, n int64) error
	// ID tells which file this is.
	ID() (FileID, error)
	// Current tells whether the name still leads to this file.
	Current() (bool, error)
	// Close gives up all locks and mappings. It does not sync. Closing twice is harmless.
	Close() error
}

// Store is a place where a state file is or will be.
type Store interface {
	// Name is the absolute path, or a word for messages.
	Name() string
	// Open opens the file. fs.ErrNotExist only when there surely is none.
	Open() (File, error)
	// Create makes the file whole in one step that survives power loss: fill sees an empty file
	// under no name; then it is synced, and gets the name unless one is there (fs.ErrExist).
	Create(fill func(File) error) error
	// Remove takes the name away, durably.
	Remove() error
}

// Replacer is the optional power of a Store that adopting a copy needs. Absent, none is adopted.
type Replacer interface {
	// Replace makes the file anew, whole, and puts it in the place of the one there is, in one step
	// that survives power loss. Its owner and mode stay. Who has the old one open keeps that.
	Replace(fill func(File) error) error
}

// Onlooker is the optional power of a Store to open the file for looking at it, which needs no
// permission to write. Absent, nobody attaches for reading only.
type Onlooker interface {
	// OpenReadOnly opens the file. What Map returns must not be stored to; exclusive locks cannot
	// be had.
	OpenReadOnly() (File, error)
}

// Lock positions. They lie far beyond any state file, where no byte is ever read or written.
const (
	lockBase     = int64(1) << 60
	LockAttach   = lockBase + 0   // shared by the living; exclusively by whoever judges
	LockSuper    = lockBase + 1   // to write a superblock while others live
	LockLog      = lockBase + 2   // to append to the log
	LockNames    = lockBase + 3   // shared by companion calls; exclusively to publish them
	LockHydrator = lockBase + 4   // the one process that hydrates in the background
	LockUploader = lockBase + 5   // the one process that writes back
	LockLive     = lockBase + 7   // shared by the living, once the maps are the truth; nobody takes it exclusively
	LockTrace    = lockBase + 8   // to write a trace
	LockMaking   = lockBase + 6   // on a file that has not its name yet: somebody is making it
	LockClaims   = int64(1) << 61 // plus a region's number: the right to change it while cold
)

func isFuture(err error) bool { return errors.Is(err, ErrFuture) }

func cmpErr(a, b error) error {
	if a != nil {
		return a
	}
	return b
}
