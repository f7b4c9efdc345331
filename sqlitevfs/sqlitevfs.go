// Package sqlitevfs opens SQLite databases that live elsewhere, at once: reads and writes are
// answered while the database is copied to the local file behind them. When the copy is complete,
// the local file is an ordinary SQLite database, and nothing of this package is left in it.
//
//	db, err := sqlitevfs.Open("app.db", "s3://bucket/app.db", nil)
//
// It uses github.com/mattn/go-sqlite3, whose driver name is sqlite3; with a DSN of one's own:
//
//	sqlitevfs.Register("hydrant", nil)
//	db, err := sql.Open("sqlite3", sqlitevfs.DSN("app.db", "s3://bucket/app.db", nil))
//
// # Parameters
//
// The local file becomes a clone when its URI has a source=. Once it is one it needs none:
// opening it by vfs=hydrant resumes it. Further parameters:
//
//	hydrate=off         serve what is asked for, copy nothing ahead
//	bandwidth=20MB      cap of the copying, per second
//	connections=8       ranges asked for at once, 0: adapts
//	timeout=30s         of each wait for the source
//	region-size=4KiB    unit of the copy, at creation; the default is the database's page
//	dest=memory         no local file: read only, every page comes from the source
//	trust=boot          after a kill, believe in unsynced pages on kernels before 6.8, too
//
// They count when the process opens the clone first, not for each connection. Where there is no
// URI, HYDRANT_DB and HYDRANT_SOURCE name one path and its source, and HYDRANT_BANDWIDTH and so
// on the rest.
//
// # Asking
//
// SQL functions, on every connection of the process: hydrant_status([schema]), a JSON object;
// hydrant_progress([schema]), percent; hydrant_wait([seconds]), 1 when the clone is complete, 0
// when the time was over before; hydrant_hydrate([on]); hydrant_sync(); hydrant_txid();
// hydrant_detach(); hydrant_last_error(). PRAGMAs of the same names, without parentheses, ask one
// schema: PRAGMA aux.hydrant_status. A database that is not a clone is detached and 100 % local;
// as there is no replica yet, hydrant_sync() is 0 and hydrant_txid() is empty.
//
// # What to know
//
// Everything that SQLite locks, journals and shares is left to SQLite's own unix VFS: WAL, mmap,
// several connections and several processes work as ever. While the clone is incomplete, its
// first 16 bytes on disk and the names of its journal and WAL are not SQLite's: whatever opens it
// without this package is told that it is not a database, and changes nothing.
//
// The clone is completed when nobody is inside of a transaction, which takes SQLite's EXCLUSIVE
// lock (in WAL mode: the write lock and an empty WAL) for a moment. Set a busy timeout, as the
// driver does by default.
//
// What is cloned is the main file as it lies at the source. If the source is in WAL mode, and was
// copied there while its WAL still held transactions, those are not part of it: nothing in the
// main file tells. Checkpoint before you upload.
//
// A transaction over several databases that a crash cuts short is rolled back in all of them,
// whoever opens which first, if the one that is main was opened through this VFS.
//
// After an fsync has failed, a clone is read-only until it is recovered: no transaction begins in
// rollback modes, and in WAL mode, where the WAL still takes them, checkpoints fail. Reads go on.
//
// Opening a clone cannot be interrupted, but for its timeout. A source that is a file in this
// process's hands: closing it drops the POSIX locks that SQLite here holds on it.
package sqlitevfs

/*
#cgo CFLAGS: -std=gnu11 -Wall -Wextra
#cgo darwin LDFLAGS: -Wl,-undefined,dynamic_lookup
#include "linked.h"
*/
import "C"

import (
	"database/sql"
	"errors"
	"fmt"
	"sync"
	"unsafe"

	_ "github.com/mattn/go-sqlite3" // the driver, and with it SQLite

	"hydrant/sqlitevfs/shim"
)

// DefaultName is the name of the VFS that Open and DSN use.
const DefaultName = "hydrant"

// Options configure a VFS.
type Options = shim.Options

// ErrRegistered is returned by Register for a name that is taken.
var ErrRegistered = errors.New("VFS is registered already")

var registered struct {
	mu    sync.Mutex // guards names; held while one is registered
	names map[string]bool
}

// Register makes the VFS called name, "" for DefaultName. It never becomes SQLite's default VFS,
// and stays for the life of the process. opts nil means the defaults. Errors: ErrRegistered.
func Register(name string, opts *Options) error {
	if name == "" {
		name = DefaultName
	}
	registered.mu.Lock()
	defer registered.mu.Unlock()
	if registered.names[name] {
		return fmt.Errorf("%s: %w", name, ErrRegistered)
	}
	shim.UseAPI(unsafe.Pointer(C.hydrant_linked()))
	if err := shim.Register(name, opts); err != nil {
		return err
	}
	if registered.names == nil {
		registered.names = map[string]bool{}
	}
	registered.names[name] = true
	return nil
}

// Open opens the clone at path, made of source if it is not there yet; source "" is for one that
// is. It registers the VFS if nobody has, and asks the database once, so that what is wrong is
// told here. See DSN for params.
func Open(path, source string, params *Params) (*sql.DB, error) {
	name := DefaultName
	if params != nil && params.VFS != "" {
		name = params.VFS
	}
	if err := Register(name, nil); err != nil && !errors.Is(err, ErrRegistered) {
		return nil, err
	}
	db, err := sql.Open("sqlite3", DSN(path, source, params))
	if err != nil {
		return nil, err
	}
	if err := db.Ping(); err != nil {
		return nil, errors.Join(err, db.Close())
	}
	return db, nil
}
