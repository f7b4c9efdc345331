package clone

import (
	"errors"
	"fmt"
	"io"

	"hydrant/clone/state"
	"hydrant/dest"
)

// readFront returns what dest's first 16 bytes on disk are, fewer when it is shorter.
func readFront(d dest.Dest) ([]byte, error) {
	b := make([]byte, state.FirstBytes)
	n, err := d.ReadAt(b, 0)
	if err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	return b[:n], nil
}

// openFront opens target to see what it begins with, for which it need not be written.
func openFront(target dest.Target) (dest.Dest, error) {
	d, err := target.Open()
	if t, ok := target.(dest.Onlooker); ok && errors.Is(denied(err), ErrAccess) {
		return t.OpenReadOnly()
	}
	return d, err
}

// putGuard makes an empty dest one that is incomplete: guard, full size, synced.
func putGuard(d dest.Dest, guard [state.FirstBytes]byte, size int64) error {
	if _, err := d.WriteAt(guard[:], 0); err != nil {
		return fmt.Errorf("write guard: %w", err)
	}
	if err := d.Truncate(size); err != nil {
		return fmt.Errorf("set size: %w", err)
	}
	return syncDest(d)
}

func syncDest(d dest.Dest) error {
	if err := d.Sync(); err != nil {
		return fmt.Errorf("%w: %w", errUnsynced, err)
	}
	return nil
}

// unguard gives companions their public names and dest its own first bytes, synced. When these
// stand there already they are written again: a sync that failed may have lost them, and syncing
// again would prove nothing. When other bytes do, it was done before, and dest may have been
// changed by anyone since.
func unguard(d dest.Dest, guard, first [state.FirstBytes]byte, comp Companions) error {
	front, err := readFront(d)
	if err != nil {
		return err
	}
	if !between(front, guard, first) {
		return syncDest(d)
	}
	if comp != nil {
		if err := comp.Publish(); err != nil {
			return fmt.Errorf("publish side files: %w", err)
		}
	}
	if _, err := d.WriteAt(first[:], 0); err != nil {
		return fmt.Errorf("write first bytes: %w", err)
	}
	return syncDest(d)
}

// between tells whether front is the guard, or first, or what a write that was cut off left between
// the two. That write may have been of other first bytes than these, but then the end of the
// guard's uuid, which is nobody else's, still stands.
func between(front []byte, guard, first [state.FirstBytes]byte) bool {
	const tail = state.FirstBytes - 4
	return len(front) == state.FirstBytes &&
		(string(front) == string(first[:]) || string(front[tail:]) == string(guard[tail:]))
}
