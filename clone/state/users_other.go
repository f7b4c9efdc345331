//go:build !linux

package state

// Users is not to be had here.
func Users(File) []string { return nil }
