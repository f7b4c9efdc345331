package shim

/*
#include "hydrantvfs.h"
*/
import "C"

import (
	"context"
	"runtime/cgo"
	"sync"
	"sync/atomic"
	"time"

	"hydrant/clone"
)

// blob is what an engine serves: a clone, or a source without a copy.
type blob interface {
	ReadAt(ctx context.Context, p []byte, off int64) (int, error)
	Status() clone.Status
	Close() error
}

// engine is an open blob, shared by all connections of the process to one path.
type engine struct {
	id     uint64 // of this engine, among all of the process
	vfs    string // the name of the VFS that it was first opened through
	path   string // as SQLite has it: absolute, symbolic links resolved; by which it was first opened
	place  place  // in the registry
	source string // as it was given when the engine was opened; "" when it was not
	blob   blob
	clone  *clone.Clone // blob, when it is one
	handle cgo.Handle
	shared *C.HydrantClone
	ready  chan struct{} // closed when shared is set
	last   lastError
	own    atomic.Bool // a connection of our own is open

	noTrace bool // what is read is not noted

	ahead   sync.Once
	pending sync.WaitGroup // of overwriteAhead
}

var engineIDs atomic.Uint64

func newEngine(r request, p *params) *engine {
	return &engine{id: engineIDs.Add(1), vfs: r.vfs, path: r.path, source: p.source, ready: make(chan struct{})}
}

// share makes the engine known to C.
func (e *engine) share() error {
	e.handle = cgo.NewHandle(e)
	var err error
	if e.shared, err = newShared(e.handle, e.clone, e.path, !e.noTrace); err != nil {
		e.handle.Delete()
		return err
	}
	if e.clone != nil {
		e.clone.TouchedBy(e.touched)
	}
	close(e.ready)
	return nil
}

// close is called when the last file is closed. There is nobody left to be told of an error.
func (e *engine) close() {
	if err := e.blob.Close(); err != nil {
		e.failed("close", err, C.SQLITE_IOERR)
	}
	e.pending.Wait()
	freeShared(e.shared)
	e.handle.Delete()
}

// timeout bounds one wait for the source.
func (e *engine) timeout() time.Duration {
	if e.clone == nil {
		return clone.DefaultTimeout
	}
	return e.clone.Timeout()
}

// overwriteAhead is called when VACUUM is about to write back a database that it has yet to read
// as a whole: what is left is then wanted at once.
func (e *engine) overwriteAhead() {
	if e.clone == nil {
		return
	}
	e.ahead.Do(func() {
		e.pending.Add(1)
		go func() {
			defer e.pending.Done()
			size := e.clone.Status().Size
			e.clone.Prefetch([]clone.Range{{Off: 0, Len: size}}) // on many connections
			// An error is one that reads will meet; ErrClosed ends it at Close.
			_ = e.clone.Hydrate(context.Background(), 0, size)
		}()
	})
}
