// Package sqlapi is what tests need of SQLite's C interface and the driver does not give: exact
// result codes, interrupts from outside, incremental BLOBs, backups, writes that fail.
package sqlapi

/*
#cgo CFLAGS: -std=gnu11 -Wall -Wextra
#include <stdlib.h>
#include "sqlapi.h"
void sqlite3_interrupt(sqlite3*);
int sqlite3_get_autocommit(sqlite3*);
int sqlite3_busy_timeout(sqlite3*, int);
int sqlite3_close(sqlite3*);
const char *sqlite3_errmsg(sqlite3*);
int sqlite3_db_config(sqlite3*, int op, ...);
static void noCheckpoint(sqlite3 *db){ sqlite3_db_config(db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, (int*)0); }
*/
import "C"

import (
	"fmt"
	"syscall"
	"unsafe"
)

// Error is an extended result code, with SQLite's words.
type Error struct {
	Code int
	Text string
}

func (e *Error) Error() string { return fmt.Sprintf("%s (%d)", e.Text, e.Code) }

// Primary is the code less its extension.
func (e *Error) Primary() int { return e.Code & 0xff }

// Conn is a connection. As SQLite is compiled here, it may be used by several goroutines.
type Conn struct{ db *C.sqlite3 }

// Open opens a URI.
func Open(uri string) (*Conn, error) {
	z := C.CString(uri)
	defer C.free(unsafe.Pointer(z))
	c := &Conn{}
	if rc := C.sqlapi_open(z, &c.db); rc != 0 {
		err := c.fail(rc)
		C.sqlite3_close(c.db)
		return nil, err
	}
	return c, nil
}

func (c *Conn) fail(rc C.int) error {
	if rc == 0 {
		return nil
	}
	return &Error{int(rc), C.GoString(C.sqlite3_errmsg(c.db))}
}

// Exec runs statements.
func (c *Conn) Exec(sql string) error {
	z := C.CString(sql)
	defer C.free(unsafe.Pointer(z))
	return c.fail(C.sqlapi_exec(c.db, z))
}

// Text is the last column of the last row, up to 511 bytes.
func (c *Conn) Text(sql string) (string, error) {
	z := C.CString(sql)
	defer C.free(unsafe.Pointer(z))
	var t C.Text
	rc := C.sqlapi_text(c.db, z, &t)
	return C.GoString(&t.z[0]), c.fail(rc)
}

// Digest mixes every value that a query returns into hash.
func (c *Conn) Digest(sql string, hash *uint64) error {
	z := C.CString(sql)
	defer C.free(unsafe.Pointer(z))
	return c.fail(C.sqlapi_digest(c.db, z, (*C.uint64_t)(hash)))
}

// Blob reads a BLOB of main piece by piece, and with write changes each piece.
func (c *Conn) Blob(table, column string, row int64, write bool) error {
	zt, zc := C.CString(table), C.CString(column)
	defer C.free(unsafe.Pointer(zt))
	defer C.free(unsafe.Pointer(zc))
	b := C.int(0)
	if write {
		b = 1
	}
	return c.fail(C.sqlapi_blob(c.db, zt, zc, C.sqlite3_int64(row), b))
}

// BackupFrom copies from over c.
func (c *Conn) BackupFrom(from *Conn) error { return c.fail(C.sqlapi_backup(c.db, from.db)) }

// InTransaction tells whether BEGIN is still in force.
func (c *Conn) InTransaction() bool { return C.sqlite3_get_autocommit(c.db) == 0 }

// Interrupt may be called from any goroutine until Close.
func (c *Conn) Interrupt() { C.sqlite3_interrupt(c.db) }

// BusyTimeout sets how long locks are waited for, in milliseconds.
func (c *Conn) BusyTimeout(ms int) { C.sqlite3_busy_timeout(c.db, C.int(ms)) }

// NoCheckpoint leaves the WAL as it is when the connection is closed.
func (c *Conn) NoCheckpoint() { C.noCheckpoint(c.db) }

// Close closes the connection.
func (c *Conn) Close() error {
	rc := C.sqlite3_close(c.db)
	if rc == 0 {
		c.db = nil
	}
	return c.fail(rc)
}

// Intercept makes the writes of SQLite's unix VFS go through FailWrites, for the whole process and
// for good.
func Intercept() error {
	if rc := C.sqlapi_intercept(); rc != 0 {
		return fmt.Errorf("result code %d", rc)
	}
	return nil
}

// WriteFault is one file's writes being counted.
type WriteFault struct{ slot C.int }

// FailWrites makes the k-th write (0: none) of SQLite itself to the file at path fail, and with
// sticky all that follow. errno 0 kills the process instead.
func FailWrites(path string, k int, sticky bool, errno syscall.Errno) (*WriteFault, error) {
	var st syscall.Stat_t
	if err := syscall.Stat(path, &st); err != nil {
		return nil, err
	}
	b := C.int(0)
	if sticky {
		b = 1
	}
	slot := C.sqlapi_fail_writes(C.uint64_t(st.Dev), C.uint64_t(st.Ino), C.int(k), b, C.int(errno))
	if slot < 0 {
		return nil, fmt.Errorf("too many files")
	}
	return &WriteFault{slot}, nil
}

// End lets writes pass again, and returns how many there were and how many of them failed.
func (w *WriteFault) End() (writes, failed int) {
	f := C.sqlapi_writes(w.slot, 1)
	return int(f.nWrite), int(f.nHit)
}
