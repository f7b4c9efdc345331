package shim

/*
#include "hydrantvfs.h"
*/
import "C"

import (
	"runtime/cgo"
	"sync/atomic"
	"unsafe"
)

// Every entry from C is here. Each turns C's types into Go's and counts itself; what it does is
// elsewhere.

var entries atomic.Int64

// GoEntries is how many times C has called Go in this process. A hydrated database does not.
func GoEntries() int64 { return entries.Load() }

func engineOf(h C.uintptr_t) *engine {
	entries.Add(1)
	return cgo.Handle(h).Value().(*engine)
}

// stringOf is nil for none.
func stringOf(z *C.char) *string {
	if z == nil {
		return nil
	}
	s := C.GoString(z)
	return &s
}

func bytesOf(p unsafe.Pointer, n C.int) []byte { return unsafe.Slice((*byte)(p), int(n)) }

//export hydrantGoOpen
func hydrantGoOpen(hVfs C.uintptr_t, zVfs, zName *C.char, bGuard C.int, out *C.HydrantOpening) {
	entries.Add(1)
	v := cgo.Handle(hVfs).Value().(*vfs)
	d := v.decide(request{
		vfs: C.GoString(zVfs), path: C.GoString(zName), params: uriParams(zName), guard: bGuard != 0,
	})
	out.eKind = d.kind
	if d.private {
		out.bPrivate = 1
	}
	if d.engine != nil {
		out.pClone = d.engine.shared
	}
	if d.err != nil {
		out.zError = C.CString(line(d.err))
	}
}

//export hydrantGoClose
func hydrantGoClose(h C.uintptr_t) { engines.release(engineOf(h)) }

//export hydrantGoRead
func hydrantGoRead(h C.uintptr_t, db *C.sqlite3, p unsafe.Pointer, n C.int, off C.sqlite3_int64) C.int {
	return engineOf(h).read(db, bytesOf(p, n), int64(off))
}

//export hydrantGoWrite
func hydrantGoWrite(h C.uintptr_t, db *C.sqlite3, p unsafe.Pointer, n C.int, off C.sqlite3_int64) C.int {
	return engineOf(h).write(db, bytesOf(p, n), int64(off))
}

//export hydrantGoTruncate
func hydrantGoTruncate(h C.uintptr_t, db *C.sqlite3, size C.sqlite3_int64) C.int {
	return engineOf(h).truncate(db, int64(size))
}

//export hydrantGoSync
func hydrantGoSync(h C.uintptr_t, db *C.sqlite3) C.int { return engineOf(h).sync(db) }

//export hydrantGoSize
func hydrantGoSize(h C.uintptr_t) C.sqlite3_int64 {
	return C.sqlite3_int64(engineOf(h).blob.Status().Size)
}

//export hydrantGoRefused
func hydrantGoRefused(h C.uintptr_t) { engineOf(h).refused() }

//export hydrantGoOverwrite
func hydrantGoOverwrite(h C.uintptr_t) { engineOf(h).overwriteAhead() }

//export hydrantGoOpenSide
func hydrantGoOpenSide(zName *C.char, nBase C.int, file *C.sqlite3_file, flags C.int, outFlags *C.int) C.int {
	entries.Add(1)
	return openSide(sideOf(zName, nBase), file, flags, outFlags)
}

//export hydrantGoAccessSide
func hydrantGoAccessSide(zName *C.char, nBase, flags C.int, out *C.int) C.int {
	entries.Add(1)
	return accessSide(sideOf(zName, nBase), flags, out)
}

//export hydrantGoDeleteSide
func hydrantGoDeleteSide(zName *C.char, nBase, syncDir C.int) C.int {
	entries.Add(1)
	return deleteSide(sideOf(zName, nBase), syncDir)
}

//export hydrantGoCommand
func hydrantGoCommand(cmd C.int, asker *C.HydrantAsker, zArg, zArg2 *C.char, out *C.HydrantResult) {
	entries.Add(1)
	q := query{db: asker.db}
	if asker.pClone != nil {
		q.engine = cgo.Handle(asker.pClone.hGo).Value().(*engine)
	}
	if asker.zPath != nil {
		q.path = C.GoString(asker.zPath)
	}
	q.arg, q.arg2 = stringOf(zArg), stringOf(zArg2)
	answer(cmd, q).fill(out)
}
