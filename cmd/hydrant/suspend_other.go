//go:build !unix

package main

import "os"

var suspendSignals = []os.Signal{os.Interrupt}[:0]

func stopUntilContinued(chan<- os.Signal) {}
