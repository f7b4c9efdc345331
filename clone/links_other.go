//go:build !unix

package clone

import "hydrant/dest"

// links is not to be had here: taken to be one.
func links(dest.Stater) (uint64, error) { return 1, nil }

// sameFile is not to be had here: taken to be false.
func sameFile(dest.Stater, string) (bool, error) { return false, nil }

// replaced is not to be had here: taken to be false.
func replaced(dest.Stater, string) (bool, error) { return false, nil }
