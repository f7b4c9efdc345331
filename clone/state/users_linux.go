package state

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
)

// Users names the other processes that have f open, as far as this one may look: the kernel does
// not tell whose a lock is.
func Users(f File) []string {
	fd, ok := f.(interface{ Fd() uintptr })
	if !ok {
		return nil
	}
	var own syscall.Stat_t
	if syscall.Fstat(int(fd.Fd()), &own) != nil {
		return nil
	}
	var users []string
	dirs, _ := filepath.Glob("/proc/[0-9]*/fd")
	for _, dir := range dirs {
		pid, err := strconv.Atoi(filepath.Base(filepath.Dir(dir)))
		if err == nil && pid != os.Getpid() && holds(dir, &own) {
			name, _ := os.ReadFile(fmt.Sprintf("/proc/%d/comm", pid))
			users = append(users, strings.TrimSpace(fmt.Sprintf("process %d %s", pid, name)))
		}
	}
	return users
}

// holds tells whether one of the descriptors in dir is of the file own.
func holds(dir string, own *syscall.Stat_t) bool {
	fds, err := os.ReadDir(dir)
	if err != nil {
		return false
	}
	for _, fd := range fds {
		var st syscall.Stat_t
		if syscall.Stat(filepath.Join(dir, fd.Name()), &st) == nil && st.Dev == own.Dev && st.Ino == own.Ino {
			return true
		}
	}
	return false
}
