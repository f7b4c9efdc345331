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
	// ErrSelf is returned when source and dest are one file.
	ErrSelf = errors.New("source and destination are the same file")
)

// Errors of using a clone.
var (
	// ErrReadOnly is returned by anything that changes a clone whose mode is ro.
	ErrReadOnly = errors.New("clone is read-only after a failed sync; copy out what can be read, and clone again")
	// ErrFailed is returned by everything when the mode is failed.
	ErrFailed = errors.New("clone has failed; close it everywhere and open it again")
	// ErrStalled is returned by cold reads and by Wait while the source fails for good.
	ErrStalled = errors.New("hydration is stalled")
	// ErrPaused is returned by Wait while hydration is switched off or the disk is full.
	ErrPaused = errors.New("hydration is paused")
	// ErrTimeout is returned when the source gave no answer in time.
	ErrTimeout = errors.New("no answer from the source in time")
	// ErrIncomplete is returned by Detach of a clone that is not complete.
	ErrIncomplete = errors.New("clone is not complete")
	// ErrClosed is returned by everything after Close.
	ErrClosed = errors.New("clone is closed")
)
