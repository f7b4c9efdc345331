package sourcetest

import (
	"time"

	"hydrant/source"
)

// Fault is what happens to one request. The zero Fault is a request that is answered at once.
type Fault struct {
	// Latency passes before the first byte, or before the error.
	Latency time.Duration
	// After is how many bytes arrive before Err, Gate or Stall has its effect. With 0 it has it
	// in ReadRange (or Identify) itself, otherwise in a Read.
	After int64
	// Err fails the request. Its kind is the one it has: see source.WithKind.
	Err error
	// Gate holds the request until it is closed, then goes on (to Err, if set).
	Gate <-chan struct{}
	// Stall holds the request until its ctx ends.
	Stall bool
	// Chunk bounds the bytes returned by one Read. 0 means as many as asked for.
	Chunk int
	// Pause passes before each Read after the first: with Chunk it makes a slow connection.
	Pause time.Duration
}

func (f Fault) holds() bool { return f.Err != nil || f.Gate != nil || f.Stall }

// Plan decides the fault of each request. It is called once per request, one at a time, and may
// keep state.
type Plan func(Request) Fault

// Always gives every request the same fault.
func Always(f Fault) Plan { return func(Request) Fault { return f } }

// Nth gives f to the k-th request only, counted from 1 as Request.N is.
func Nth(k int, f Fault) Plan {
	return func(r Request) Fault {
		if r.N == k {
			return f
		}
		return Fault{}
	}
}

// First gives f to the first k requests.
func First(k int, f Fault) Plan {
	return func(r Request) Fault {
		if r.N <= k {
			return f
		}
		return Fault{}
	}
}

// Covering gives f to every request for a range that holds the byte at off.
func Covering(off int64, f Fault) Plan {
	return func(r Request) Fault {
		if r.ranged() && r.Off <= off && off < r.Off+r.Len {
			return f
		}
		return Fault{}
	}
}

// Reset is the error of a connection that broke.
func Reset() error { return source.WithKind(errReset, source.Transient) }

// SlowDown is the error of a server that is asked too often, with its advice how long to wait.
func SlowDown(after time.Duration) error { return source.ThrottledFor(errSlowDown, after) }
