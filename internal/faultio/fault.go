// Package faultio makes the k-th operation fail. A test first runs a workload without a fault to
// learn how many operations it does, and then once for each of them:
//
//	var none faultio.Injector
//	run(&none)
//	for k := range none.Count(faultio.Write) {
//		run(faultio.New(faultio.Fault{Op: faultio.Write, K: k + 1, Err: syscall.EIO}))
//	}
//
// The injector knows nothing of destinations: whatever can call Do before it acts can be made to
// fail. Every injected error names its fault, and so does a test that prints the error.
package faultio

import (
	"errors"
	"fmt"
	"strings"
	"syscall"
)

// Op is a kind of operation. Users of an injector may have kinds of their own.
type Op string

// The kinds of operations on a destination.
const (
	Any      Op = "" // every kind, counted together
	Open     Op = "open"
	Create   Op = "create"
	Read     Op = "read"
	Write    Op = "write"
	Truncate Op = "truncate"
	Sync     Op = "sync"
	Size     Op = "size"
	Punch    Op = "punch"
	Await    Op = "await" // of write-back
)

// Fault says which operation fails and how. Its zero value is no fault.
type Fault struct {
	Op     Op    // which kind; Any by default
	K      int   // the K-th of the kind, from 1; 0 is none
	Err    error // what it fails with; EIO by default
	Sticky bool  // so do all of the kind after it
	Short  bool  // a write writes the first half of its bytes, a read reads it, before it fails
}

// String is the fault in words, as in "2nd write and on: no space left on device, after half of it".
func (f Fault) String() string {
	if f.K == 0 {
		return "no fault"
	}
	var b strings.Builder
	fmt.Fprintf(&b, "%s %s", ordinal(f.K), f.Op.word())
	if f.Sticky {
		b.WriteString(" and on")
	}
	fmt.Fprintf(&b, ": %v", f.err())
	if f.Short {
		b.WriteString(", after half of it")
	}
	return b.String()
}

func (f Fault) err() error {
	if f.Err == nil {
		return syscall.EIO
	}
	return f.Err
}

// hits reports whether the n-th operation of a fault's kind fails.
func (f Fault) hits(n int) bool {
	return f.K > 0 && (n == f.K || f.Sticky && n > f.K)
}

func (op Op) word() string {
	if op == Any {
		return "operation"
	}
	return string(op)
}

// Error is an injected error. It unwraps to the fault's Err.
type Error struct{ Fault Fault }

func (e *Error) Error() string { return "injected: " + e.Fault.String() }
func (e *Error) Unwrap() error { return e.Fault.err() }

// Injected reports whether err comes from an injector.
func Injected(err error) bool {
	_, ok := errors.AsType[*Error](err)
	return ok
}

// ordinal is 1st, 2nd, 3rd, 4th, …
func ordinal(n int) string {
	suffix := "th"
	if n/10%10 != 1 {
		switch n % 10 {
		case 1:
			suffix = "st"
		case 2:
			suffix = "nd"
		case 3:
			suffix = "rd"
		}
	}
	return fmt.Sprintf("%d%s", n, suffix)
}
