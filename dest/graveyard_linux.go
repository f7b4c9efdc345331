package dest

import (
	"sync"
	"syscall"

	"golang.org/x/sys/unix"
)

// graves is the graveyard of the process. It must be one for all, because the locks are.
var graves = graveyard{parked: map[inode][]int{}, looked: map[inode][]int{}}

// graveyard closes descriptors without dropping POSIX locks.
//
// When a process closes any descriptor of a file, the kernel drops all its POSIX locks on that
// file, those taken through other descriptors as well (fcntl(2), "Advisory record locking").
// SQLite in this process holds such locks on our destination, and two processes would write at
// the same time if we closed our descriptor under it.
//
// So a descriptor is closed only with an exclusive open-file-description lock over the whole file
// on it. That conflicts with POSIX locks, of this process too: if it is granted there are none to
// drop, and none can be taken before close(2) has dropped what it drops and then let go of the
// lock. If it is refused, for whatever reason, the descriptor is parked: kept open, and tried
// again whenever a destination is opened or closed. A parked descriptor is reused when its file
// is opened again, so that there are no more of them for a file than were open at one time.
// (SQLite parks its own descriptors in this way: setPendingFd, findReusableFd.)
//
// A descriptor for reading only cannot have that lock. It is parked for good, and used again for
// nothing but reading.
//
// For the moment between lock and close somebody else who asks for a lock is told the file is
// busy. They were to be prepared for that anyway. Asking for the lock without taking it would
// spare them this, but leaves a moment in which SQLite takes a lock that we then drop.
type graveyard struct {
	mu     sync.Mutex // held across the calls below: a second closer would be refused the lock
	parked map[inode][]int
	looked map[inode][]int // those for reading only
}

// park keeps a descriptor for reading only.
func (g *graveyard) park(fd int) {
	var st syscall.Stat_t
	if syscall.Fstat(fd, &st) != nil {
		return // it stays open, and out of reach
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	key := inode{uint64(st.Dev), st.Ino}
	g.looked[key] = append(g.looked[key], fd)
}

// raiseReadOnly returns a parked descriptor for reading only to be used again.
func (g *graveyard) raiseReadOnly(key inode) (fd int, ok bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	fds := g.looked[key]
	if len(fds) == 0 {
		return 0, false
	}
	last := len(fds) - 1
	if g.looked[key] = fds[:last]; last == 0 {
		delete(g.looked, key)
	}
	return fds[last], true
}

// bury closes fd, or parks it. The error is close(2)'s.
func (g *graveyard) bury(fd int) error {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.sweepLocked()
	closed, err := closeUnlocked(fd)
	if closed {
		return err
	}
	var st syscall.Stat_t
	if err := syscall.Fstat(fd, &st); err != nil {
		return err // it stays open, and out of reach
	}
	key := inode{uint64(st.Dev), st.Ino}
	g.parked[key] = append(g.parked[key], fd)
	return nil
}

// raise returns a parked descriptor of a file to be used again.
func (g *graveyard) raise(key inode) (fd int, ok bool) {
	g.mu.Lock()
	defer g.mu.Unlock()
	fds := g.parked[key]
	if len(fds) == 0 {
		return 0, false
	}
	g.keepLocked(key, fds[1:])
	return fds[0], true
}

// sweep closes what has become closable.
func (g *graveyard) sweep() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.sweepLocked()
}

func (g *graveyard) sweepLocked() {
	for key, fds := range g.parked {
		var kept []int
		for _, fd := range fds {
			// An error of close(2) has nobody left to go to.
			if closed, _ := closeUnlocked(fd); !closed {
				kept = append(kept, fd)
			}
		}
		g.keepLocked(key, kept)
	}
}

func (g *graveyard) keepLocked(key inode, fds []int) {
	if len(fds) == 0 {
		delete(g.parked, key)
		return
	}
	g.parked[key] = fds
}

// closeUnlocked closes fd if nobody has a lock on its file.
func closeUnlocked(fd int) (closed bool, err error) {
	// A child forked in between would inherit the lock and hold it until it calls exec.
	syscall.ForkLock.RLock()
	defer syscall.ForkLock.RUnlock()
	whole := unix.Flock_t{Type: unix.F_WRLCK} // start 0, length 0: all there is and will be
	lock := func() error { return unix.FcntlFlock(uintptr(fd), unix.F_OFD_SETLK, &whole) }
	if retry(lock) != nil {
		return false, nil
	}
	// Linux has closed the descriptor whatever close(2) returns; EINTR is not to be repeated.
	if err = unix.Close(fd); err == unix.EINTR {
		err = nil
	}
	return true, err
}
