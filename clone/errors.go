package clone

import "errors"

// Errors of opening a clone. Each comes wrapped with the names of the files it speaks of.
var (
	// ErrUsage is returned for options out of bounds.
	ErrUsage = errors.New("bad option")
	// ErrPlain is returned when dest exists and is no clone: an ordinary file.
	ErrPlain = errors.New("exists and is not a clone")
	// ErrOrphan is returned when dest bears a guard and its state file is missing.
	ErrOrphan = errors.New("is an incomplete clone without its state file")
	// ErrMismatch is returned when dest and state file do not belong together.
	ErrMismatch = errors.New("state file belongs to another destination")
	// ErrApart is returned when dest and state file are of one clone and of different moments.
	ErrApart = errors.New("are of different moments")
	// ErrShort is returned when dest is shorter than it was left.
	ErrShort = errors.New("was cut short by something else")
	// ErrReplaced is returned when a file in use is not the one with its name any more.
	ErrReplaced = errors.New("was deleted or replaced while in use")
	// ErrNoDest is returned when there is a state file and no dest.
	ErrNoDest = errors.New("destination is missing")
	// ErrCopied is returned for a copy of a clone that was in use when it was copied.
	ErrCopied = errors.New("is a copy of a clone that was in use")
	// ErrOtherSource is returned when the clone is of another source than the one given.
	ErrOtherSource = errors.New("is a clone of another source")
	// ErrCompanion is returned when a file that a database would take for dest's journal lies
	// where a clone is to be made.
	ErrCompanion = errors.New("side file in the way")
	// ErrBusy is returned when other processes hold what is needed.
	ErrBusy = errors.New("in use by another process")
	// ErrAccess is returned where dest or its state file may not be written, by this user or on this
	// mount: by whatever changes a clone that is open for reading only, and by Open where that alone
	// does not do.
	ErrAccess = errors.New("no permission to write")
	// ErrSelf is returned when source and dest are one file.
	ErrSelf = errors.New("source and destination are the same file")
)

// Errors of using a clone.
var (
	// ErrReadOnly is returned by anything that changes a clone whose mode is ro.
	ErrReadOnly = errors.New("clone is read-only after a failed sync")
	// ErrFailed is returned by everything when the mode is failed.
	ErrFailed = errors.New("clone has failed")
	// ErrStalled is returned by cold reads and by Wait while the source fails for good.
	ErrStalled = errors.New("hydration is stalled")
	// ErrPaused is returned by Wait while hydration is switched off, the disk is full, or what is
	// left to do for completion fails.
	ErrPaused = errors.New("hydration is paused")
	// ErrCorrupt is returned by Wait, wrapped in ErrStalled, when what was fetched is not what the
	// source's checksum is of. Such a clone is never complete.
	ErrCorrupt = errors.New("bytes were damaged on their way from the source")
	// ErrTimeout is returned when the source gave no answer in time.
	ErrTimeout = errors.New("no answer from the source in time")
	// ErrTransaction is what Options.Quiesce returns while somebody is in the middle of something.
	ErrTransaction = errors.New("waiting for a transaction to end before the clone can be completed")
	// ErrIncomplete is returned by Detach of a clone that is not complete.
	ErrIncomplete = errors.New("clone is not complete")
	// ErrMoved is returned by each read of a clone that is open for reading only once other processes
	// have gone back to what is durable, so that what was read before may not count any more.
	ErrMoved = errors.New("was taken back to what is durable while it was open for reading only; open it again")
	// ErrClosed is returned by everything after Close.
	ErrClosed = errors.New("clone is closed")
)
