//go:build unix

package main

import (
	"os"
	"syscall"
)

// suspendSignals are those by which a terminal asks a process to stop for a while.
var suspendSignals = []os.Signal{syscall.SIGTSTP}

// stopUntilContinued stops the process. It sends another signal than the one that was caught: the
// runtime does not give back the default action of that one.
func stopUntilContinued() { _ = syscall.Kill(os.Getpid(), syscall.SIGSTOP) }
