//go:build !linux

package clone

import "hydrant/dest"

// mountedAlone tells whether a file alone is mounted where it was opened; elsewhere than on Linux
// none is.
func mountedAlone(dest.Stater) (bool, error) { return false, nil }
