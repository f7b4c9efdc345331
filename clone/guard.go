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

// putGuard makes an empty dest one that is incomplete: guard, full size, synced. The guard is
// durable before the size grows, so that what is long bears a guard, whenever power is lost.
func putGuard(d dest.Dest, guard [state.FirstBytes]byte, size int64) error {
	if _, err := d.WriteAt(guard[:], 0); err != nil {
		return fmt.Errorf("write guard: %w", err)
	}
	if err := d.Sync(); err != nil {
		return fmt.Errorf("sync: %w", err)
	}
	if err := d.Truncate(size); err != nil {
		return fmt.Errorf("set size: %w", err)
	}
	if err := d.Sync(); err != nil {
		return fmt.Errorf("sync: %w", err)
	}
	return nil
}

// unguard gives companions their public names and dest its own first bytes, synced. If the guard
// does not stand any more there is nothing to do: dest may have been changed by anyone since.
func unguard(d dest.Dest, guard, first [state.FirstBytes]byte, comp Companions) error {
	front, err := readFront(d)
	if err != nil {
		return err
	}
	if string(front) != string(guard[:]) {
		return d.Sync()
	}
	if comp != nil {
		if err := comp.Publish(); err != nil {
			return fmt.Errorf("publish side files: %w", err)
		}
	}
	if _, err := d.WriteAt(first[:], 0); err != nil {
		return fmt.Errorf("write first bytes: %w", err)
	}
	if err := d.Sync(); err != nil {
		return fmt.Errorf("sync: %w", err)
	}
	return nil
}
