package shim

/*
#include <stdlib.h>
#include "hydrantvfs.h"
*/
import "C"

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strconv"
	"time"
	"unsafe"

	"hydrant/clone"
)

// quiesce runs publish while nobody is in the middle of a transaction that has, or will come to
// have, a journal or frames in the WAL. It takes SQLite's own locks, through a connection of its
// own:
//
//	rollback modes   EXCLUSIVE: there is no reader, and no journal
//	WAL              the write lock, with the WAL checkpointed and empty
//
// It does not wait for them, but tries for as long as drainTime, while connections of this process
// that are in no transaction wait at the gate, and those that are in one come to its end. A
// transaction that lasts longer means that it is tried again later.
func (e *engine) quiesce(ctx context.Context, publish func() error) error {
	select {
	case <-e.ready:
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	defer func() {
		gate := C.int(C.HYDRANT_OPEN)
		if !e.clone.Guarded() {
			gate = C.HYDRANT_GONE
		}
		C.hydrant_gate(e.shared, gate)
	}()
	for until := time.Now().Add(drainTime); ; {
		err := clone.ErrTransaction
		if C.hydrant_gate(e.shared, C.HYDRANT_SHUT) == 0 {
			err = e.publishLocked(publish)
		}
		if !errors.Is(err, clone.ErrTransaction) || ctx.Err() != nil || time.Now().After(until) {
			return err
		}
		C.hydrant_gate(e.shared, C.HYDRANT_DRAIN)
		time.Sleep(drainStep)
	}
}

const (
	drainTime = 30 * time.Millisecond
	drainStep = 300 * time.Microsecond
)

// publishLocked runs publish under SQLite's locks, or returns clone.ErrTransaction. The connection
// is closed when it does: in WAL mode its mere presence keeps others from leaving that mode.
func (e *engine) publishLocked(publish func() error) error {
	e.own.Store(true)
	defer e.own.Store(false)
	db, err := openPrivate(e)
	if err != nil {
		return err
	}
	defer func() { db.close(engines.users(e) == 0) }()
	if C.hydrant_db_locked(db.db) != 0 {
		return clone.ErrTransaction
	}
	if err := db.shutOut(); err != nil {
		return CannotLock(e.path, err)
	}
	err = publish()
	_, rberr := db.query("ROLLBACK")
	return errors.Join(err, rberr)
}

// CannotLock is err, which kept the database at path from being locked for completion, with what it
// was about; path has no symbolic links in it. clone.ErrTransaction speaks for itself.
func CannotLock(path string, err error) error {
	if errors.Is(err, clone.ErrTransaction) {
		return err
	}
	journal := clone.PrivateName(path, journalSuffix)
	var front [8]byte // zeros, when it is not to be rolled back
	if f, ferr := os.Open(journal); ferr == nil {
		_, _ = f.Read(front[:])
		_ = f.Close()
	}
	if front != [8]byte{} {
		return fmt.Errorf("complete %s: roll back %s, whose writer died: %w", path, journal, err)
	}
	return fmt.Errorf("complete %s: lock the database: %w", path, err)
}

// private is a connection of our own to a database that is open here. Not for concurrent use.
type private struct {
	path string
	db   *C.sqlite3
}

func openPrivate(e *engine) (*private, error) {
	uri := C.CString(FileURI(e.path, Param{engineKey, strconv.FormatUint(e.id, 10)}))
	defer C.free(unsafe.Pointer(uri))
	vfs := C.CString(e.vfs)
	defer C.free(unsafe.Pointer(vfs))
	p := &private{path: e.path}
	if rc := C.hydrant_db_open(uri, vfs, &p.db); rc != C.SQLITE_OK {
		err := fmt.Errorf("open %s once more: %s", e.path, C.GoString(C.hydrant_db_error(p.db)))
		p.close(true)
		return nil, err
	}
	return p, nil
}

// close leaves the WAL to those who still use it.
func (p *private) close(last bool) {
	b := C.int(0)
	if last {
		b = 1
	}
	C.hydrant_db_close(p.db, b)
}

// query runs sql and returns the first column of the first row. A lock that is not to be had is
// clone.ErrTransaction.
func (p *private) query(sql string) (string, error) {
	z := C.CString(sql)
	defer C.free(unsafe.Pointer(z))
	var out [64]C.char
	switch rc := C.hydrant_db_query(p.db, z, &out[0], C.int(len(out))); rc & 0xff {
	case C.SQLITE_OK:
		return C.GoString(&out[0]), nil
	case C.SQLITE_BUSY, C.SQLITE_PROTOCOL: // a lock that is not to be had, and one that was waited for
		return "", clone.ErrTransaction
	}
	return "", fmt.Errorf("%s: %s", sql, C.GoString(C.hydrant_db_error(p.db)))
}

// shutOut begins the transaction that keeps everybody else out.
func (p *private) shutOut() error {
	mode, err := p.query("PRAGMA journal_mode")
	switch {
	case err != nil:
		return err
	case mode == "wal":
		return p.beginEmptyWAL()
	}
	return p.beginExclusive()
}

func (p *private) beginExclusive() error {
	_, err := p.query("BEGIN EXCLUSIVE")
	return err
}

// beginEmptyWAL empties the WAL, takes the write lock, and looks whether anybody was quicker:
// from then on nobody can be.
func (p *private) beginEmptyWAL() error {
	busy, err := p.query("PRAGMA wal_checkpoint(TRUNCATE)")
	if err != nil {
		return err
	}
	if busy != "0" {
		return clone.ErrTransaction
	}
	if _, err := p.query("BEGIN IMMEDIATE"); err != nil {
		return err
	}
	st, err := os.Stat(clone.PrivateName(p.path, walSuffix))
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err == nil && st.Size() > 0:
		return clone.ErrTransaction
	}
	return err
}
