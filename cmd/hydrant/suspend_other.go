//go:build !unix

package main

import "os"

// suspendSignals is empty: there is no such thing here.
var suspendSignals []os.Signal

func stopUntilContinued() {}
