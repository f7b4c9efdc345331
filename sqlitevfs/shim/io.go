package shim

/*
#include "hydrantvfs.h"
*/
import "C"

import (
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"hydrant/clone"
)

// read is xRead of what is not local. Short reads are filled up with zeros, as SQLite wants it.
func (e *engine) read(db *C.sqlite3, p []byte, off int64) C.int {
	ctx, done := e.wait(db)
	defer done()
	n, err := e.blob.ReadAt(ctx, p, off)
	if n == len(p) {
		return C.SQLITE_OK
	}
	clear(p[n:])
	if errors.Is(err, io.EOF) {
		return C.SQLITE_IOERR_SHORT_READ
	}
	return e.failed("read", cause(ctx, err), C.SQLITE_IOERR_READ)
}

// write is xWrite of what changes a clone's maps, or needs bytes that are not there.
func (e *engine) write(db *C.sqlite3, p []byte, off int64) C.int {
	ctx, done := e.wait(db)
	defer done()
	if _, err := e.clone.WriteAt(ctx, p, off); err != nil {
		return e.failed("write", cause(ctx, err), C.SQLITE_IOERR_WRITE)
	}
	return C.SQLITE_OK
}

func (e *engine) truncate(db *C.sqlite3, size int64) C.int {
	ctx, done := e.wait(db)
	defer done()
	if err := e.clone.Truncate(ctx, size); err != nil {
		return e.failed("truncate", cause(ctx, err), C.SQLITE_IOERR_TRUNCATE)
	}
	return C.SQLITE_OK
}

// sync does not end before it is done: half a sync helps nobody.
func (e *engine) sync(*C.sqlite3) C.int {
	if err := e.clone.Sync(context.Background()); err != nil {
		return e.failed("sync", err, C.SQLITE_IOERR_FSYNC)
	}
	return C.SQLITE_OK
}

// refused notes why no transaction can begin.
func (e *engine) refused() {
	if err := e.clone.Writable(); err != nil {
		e.failed("write to", err, C.SQLITE_READONLY)
	}
}

// sayReadOnly notes, when the clone is opened, that there is no permission to write to it: SQLite
// refuses to by itself, and does not ask why.
func (e *engine) sayReadOnly() {
	if err := e.clone.Writable(); errors.Is(err, clone.ErrAccess) {
		text := line(err)
		e.last.set(text)
		logLine(C.SQLITE_READONLY, text)
	}
}

// pollPeriod is how often a wait looks whether its connection was interrupted.
const pollPeriod = 20 * time.Millisecond

// wait returns a ctx that ends with the clone's timeout, and soon after the connection db, which
// may be nil, is interrupted: sqlite3_interrupt sets a flag that nobody can wait for. The caller
// calls done before it lets SQLite go on; afterwards db is not touched any more.
func (e *engine) wait(db *C.sqlite3) (ctx context.Context, done func()) {
	timeout := e.timeout()
	ctx, stop := context.WithTimeoutCause(context.Background(), timeout, fmt.Errorf("%w (%v)", clone.ErrTimeout, timeout))
	if db == nil {
		return ctx, stop
	}
	return pollInterrupt(ctx, stop, db)
}

// pollInterrupt makes ctx end when db is interrupted, too.
func pollInterrupt(ctx context.Context, stop func(), db *C.sqlite3) (context.Context, func()) {
	ctx, cancel := context.WithCancelCause(ctx)
	var mu sync.Mutex // guards over, and db with it
	over := false
	var t *time.Timer
	mu.Lock()
	t = time.AfterFunc(pollPeriod, func() {
		mu.Lock()
		defer mu.Unlock()
		switch {
		case over:
		case C.hydrant_interrupted(db) != 0:
			cancel(errInterrupted)
		default:
			t.Reset(pollPeriod)
		}
	})
	mu.Unlock()
	return ctx, func() {
		mu.Lock()
		over = true
		mu.Unlock()
		t.Stop()
		cancel(nil)
		stop()
	}
}

// cause is err, or why ctx ended when that is the reason.
func cause(ctx context.Context, err error) error {
	if ctx.Err() != nil && (errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded)) {
		return context.Cause(ctx)
	}
	return err
}
