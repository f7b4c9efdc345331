//go:build darwin || freebsd || netbsd || openbsd || dragonfly

package state

import (
	"os"

	"golang.org/x/sys/unix"
)

// lockWhole locks f against other Files. It goes with the last descriptor.
func lockWhole(f *os.File) (bool, error) {
	err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
	if err == unix.EWOULDBLOCK {
		return false, nil
	}
	return err == nil, err
}
