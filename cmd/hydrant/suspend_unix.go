//go:build unix

package main

import (
	"os"
	"os/signal"
	"syscall"
)

// suspendSignals are those by which a terminal asks a process to stop for a while.
var suspendSignals = []os.Signal{syscall.SIGTSTP}

// stopUntilContinued stops the process as the signal would have, had nobody listened.
func stopUntilContinued(suspend chan<- os.Signal) {
	signal.Reset(suspendSignals...)
	_ = syscall.Kill(os.Getpid(), syscall.SIGTSTP)
	signal.Notify(suspend, suspendSignals...)
}
