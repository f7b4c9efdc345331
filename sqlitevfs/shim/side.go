package shim

/*
#include <stdlib.h>
#include "hydrantvfs.h"
*/
import "C"

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"unsafe"

	"hydrant/clone"
	"hydrant/clone/state"
)

// The names of a database's side files, behind its own.
const (
	journalSuffix = "-journal"
	walSuffix     = "-wal"
)

// side is a journal or WAL by its public name. Which name it really has is settled by whoever is
// about to use it, under the clone's lock on names.
type side struct {
	public, base, suffix string
	zPublic              *C.char
}

func sideOf(zName *C.char, nBase C.int) side {
	name := C.GoString(zName)
	return side{public: name, base: name[:nBase], suffix: name[nBase:], zPublic: zName}
}

func (s *side) private() string { return clone.PrivateName(s.base, s.suffix) }

// with calls f while names hold still. The side file of a database that is not open here belongs to
// another one's super-journal; nobody changes its name but who opens that database.
//
// A database that is being closed here may be completed by another process at any time, so that
// nobody can say what the name is until it is closed. Only our own connection, which closing waits
// for, cannot wait for that.
func (s *side) with(f func(private bool) error) error {
	for {
		e := engines.find(s.base)
		if e == nil || e.clone == nil {
			break
		}
		err := e.clone.Companions(f)
		if !errors.Is(err, clone.ErrClosed) || e.own.Load() || !engines.awaitClose(e) {
			return err
		}
	}
	guarded, err := stateGuarded(s.base)
	if err != nil {
		return err
	}
	return f(guarded)
}

// stateGuarded tells whether the database at path is a clone whose guard stands, by its state file.
func stateGuarded(path string) (bool, error) {
	f, err := state.PathStore(path, 0).OpenReadOnly()
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	sb, err := state.ReadSuperblock(f)
	if err = errors.Join(err, f.Close()); err != nil {
		return false, fmt.Errorf("%s%s: %w", path, state.Suffix, err)
	}
	return sb.Phase != state.Complete, nil
}

// failed writes down what kept a side file from being used.
func (s *side) failed(op string, err error, rc C.int) C.int {
	text := line(fmt.Errorf("%s %s: %w", op, s.public, err))
	if processError.set(text) {
		logLine(rc, text)
	}
	return rc
}

// openSide opens the side file. SQLite keeps the pointer to the name: one of our own is freed with
// the file.
func openSide(s side, file *C.sqlite3_file, flags C.int, outFlags *C.int) (rc C.int) {
	err := s.with(func(private bool) error {
		if !private {
			rc = C.hydrant_open_as(s.zPublic, file, flags, outFlags, 0)
			return nil
		}
		rc = C.hydrant_open_as(C.CString(s.private()+"\x00"), file, flags, outFlags, 1)
		return nil
	})
	if err != nil {
		return s.failed("open", err, C.SQLITE_CANTOPEN)
	}
	return rc
}

func accessSide(s side, flags C.int, out *C.int) (rc C.int) {
	err := s.with(func(private bool) error {
		s.named(private, func(z *C.char) { rc = C.hydrant_real_access(z, flags, out) })
		return nil
	})
	if err != nil {
		return s.failed("look for", err, C.SQLITE_IOERR_ACCESS)
	}
	return rc
}

func deleteSide(s side, syncDir C.int) (rc C.int) {
	err := s.with(func(private bool) error {
		s.named(private, func(z *C.char) { rc = C.hydrant_real_delete(z, syncDir) })
		return nil
	})
	if err != nil {
		return s.failed("delete", err, C.SQLITE_IOERR_DELETE)
	}
	return rc
}

// named calls f with the name that holds.
func (s *side) named(private bool, f func(*C.char)) {
	if !private {
		f(s.zPublic)
		return
	}
	z := C.CString(s.private())
	defer C.free(unsafe.Pointer(z))
	f(z)
}

// exists tells whether something is at path. An error is neither yes nor no.
func exists(path string) (bool, error) {
	_, err := os.Lstat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	return err == nil, err
}
