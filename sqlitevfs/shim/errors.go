package shim

/*
#include "hydrantvfs.h"
*/
import "C"

import (
	"context"
	"errors"
	"strings"
	"sync"
	"syscall"
)

// errInterrupted is the cause of a wait that ended because the connection was interrupted.
var errInterrupted = errors.New("interrupted")

// line is an error as one line.
func line(err error) string {
	return "hydrant: " + strings.ReplaceAll(err.Error(), "\n", "; ")
}

// resultCode is what SQLite is told. A failed read or write must never look like a busy, a
// misused or a missing file: SQLite would keep the transaction open, and its COMMIT would store
// half of it. IOERR, FULL, NOMEM and INTERRUPT make it roll back.
func resultCode(err error, ioerr C.int) C.int {
	switch {
	case errors.Is(err, errInterrupted) && ioerr == C.SQLITE_IOERR_READ:
		return C.SQLITE_INTERRUPT
	case errors.Is(err, syscall.ENOSPC), errors.Is(err, syscall.EDQUOT):
		if ioerr != C.SQLITE_IOERR_READ {
			return C.SQLITE_FULL
		}
	case errors.Is(err, syscall.ENOMEM):
		return C.SQLITE_IOERR_NOMEM
	}
	return ioerr
}

// lastError remembers the last failure, and has each distinct one logged once in a row.
type lastError struct {
	mu     sync.Mutex // guards the rest
	text   string
	logged string
}

var processError lastError

// set remembers text and tells whether it is another than before.
func (l *lastError) set(text string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.text = text
	fresh := l.logged != text
	l.logged = text
	return fresh
}

func (l *lastError) get() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text
}

// failed writes down that op on e failed, and returns what SQLite is told.
func (e *engine) failed(op string, err error, ioerr C.int) C.int {
	rc := resultCode(err, ioerr)
	if rc == C.SQLITE_INTERRUPT || errors.Is(err, context.Canceled) {
		return rc
	}
	text := "hydrant: " + op + " " + e.path + ": " + strings.TrimPrefix(line(err), "hydrant: ")
	processError.set(text)
	if e.last.set(text) {
		logLine(rc, text)
	}
	return rc
}
