package torture

import (
	"fmt"
	"math/rand/v2"
	"os/exec"
	"sync"
)

// strace is the command that has system calls fail, nil where there is none or it may not trace.
// It detaches itself, so that the process it traces is our own child.
var strace = sync.OnceValue(func() []string {
	path, err := exec.LookPath("strace")
	if err != nil {
		return nil
	}
	cmd := []string{path, "-D", "-f", "-qqq", "-o", "/dev/null"}
	if exec.Command(path, append(cmd[1:], "-e", "inject=fsync:signal=KILL:when=1", "true")...).Run() != nil {
		return nil
	}
	return cmd
})

// CanInject tells whether system calls can be made to fail here.
func CanInject() bool { return strace() != nil }

// deadly are calls at which a process may be killed, and failing those that may fail: all that
// changes files, and locks.
var (
	deadly  = []string{"pwrite64", "pwrite64", "pwrite64", "pwritev2", "fsync", "fdatasync", "ftruncate", "fcntl", "renameat", "rename", "unlink", "unlinkat", "openat", "fallocate", "linkat", "sync_file_range", "mmap", "flock"}
	failing = []string{"pwrite64", "pwrite64", "pwritev2", "fsync", "fdatasync", "ftruncate", "unlink", "unlinkat", "renameat", "fallocate", "pread64", "sync_file_range"}
)

// killAt wraps a child that is killed at its n-th call of some kind, in some thread.
func killAt(r *rand.Rand) []string {
	call := pick(r, deadly...)
	most := 40
	if call == "pwrite64" || call == "fcntl" {
		most = 400
	}
	return inject(call, fmt.Sprintf("signal=KILL:when=%d", 1+r.IntN(most)))
}

// failAt wraps a child that has some calls fail.
func failAt(r *rand.Rand) []string {
	call := pick(r, failing...)
	when := fmt.Sprintf("when=%d", 1+r.IntN(60))
	if r.IntN(3) == 0 {
		when += fmt.Sprintf("+%d", 1+r.IntN(50))
	}
	return inject(call, fmt.Sprintf("error=%s:%s", pick(r, "EIO", "EIO", "ENOSPC"), when))
}

func inject(call, how string) []string {
	return append(append([]string{}, strace()...), "-e", "trace="+call, "-e", "inject="+call+":"+how)
}
