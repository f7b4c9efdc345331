//go:build !linux && !darwin && !freebsd && !netbsd && !openbsd && !dragonfly

package state

import (
	"errors"
	"os"
)

// lockWhole refuses: without a lock two processes could write one clone.
func lockWhole(*os.File) (bool, error) { return false, errors.ErrUnsupported }
