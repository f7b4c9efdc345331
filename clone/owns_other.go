//go:build !linux

package clone

// Owns tells whether path leads to the clone's destination.
func (c *Clone) Owns(path string) (bool, error) { return path == c.target.Name(), nil }

// LockFd is what a forked child has to close; here nobody knows.
func (c *Clone) LockFd() (fd uintptr, ok bool) { return 0, false }
