//go:build unix

package main

import (
	"os"
	"os/signal"
	"syscall"
)

// suspendSignals are those by which a terminal asks a process to stop for a while.
var suspendSignals = []os.Signal{syscall.SIGTSTP}

// stopUntilContinued stops the process and returns when it has been continued. It sends another
// signal than the one that was caught: the runtime does not give back the default action of that
// one. And it waits for SIGCONT, since the kernel may let this thread run on for a while.
func stopUntilContinued() {
	continued := make(chan os.Signal, 1)
	signal.Notify(continued, syscall.SIGCONT)
	defer signal.Stop(continued)
	if syscall.Kill(os.Getpid(), syscall.SIGSTOP) == nil {
		<-continued
	}
}
