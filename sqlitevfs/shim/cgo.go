package shim

/*
#cgo CFLAGS: -std=gnu11 -Wall -Wextra
#include <stdlib.h>
#include "hydrantint.h"
*/
import "C"

import (
	"errors"
	"fmt"
	"iter"
	"runtime/cgo"
	"sync"
	"unsafe"

	"hydrant/clone"
	"hydrant/clone/state"
)

// The C half sees state.Header as HydrantHeader. A difference of offsets, or of constants, makes
// one of these negative, which does not compile.
const (
	_ = uint(unsafe.Offsetof(state.Header{}.Mode) - unsafe.Offsetof(C.HydrantHeader{}.eMode))
	_ = uint(unsafe.Offsetof(C.HydrantHeader{}.eMode) - unsafe.Offsetof(state.Header{}.Mode))
	_ = uint(unsafe.Offsetof(state.Header{}.Phase) - unsafe.Offsetof(C.HydrantHeader{}.ePhase))
	_ = uint(unsafe.Offsetof(C.HydrantHeader{}.ePhase) - unsafe.Offsetof(state.Header{}.Phase))
	_ = uint(unsafe.Offsetof(state.Header{}.First) - unsafe.Offsetof(C.HydrantHeader{}.aFirst))
	_ = uint(unsafe.Offsetof(C.HydrantHeader{}.aFirst) - unsafe.Offsetof(state.Header{}.First))
	_ = uint(unsafe.Offsetof(state.Header{}.Marks) - unsafe.Offsetof(C.HydrantHeader{}.nMark))
	_ = uint(unsafe.Offsetof(C.HydrantHeader{}.nMark) - unsafe.Offsetof(state.Header{}.Marks))
	_ = uint(unsafe.Offsetof(state.Header{}.Synced) - unsafe.Offsetof(C.HydrantHeader{}.nSynced))
	_ = uint(unsafe.Offsetof(C.HydrantHeader{}.nSynced) - unsafe.Offsetof(state.Header{}.Synced))
	_ = uint(unsafe.Offsetof(state.Header{}.Hold) - unsafe.Offsetof(C.HydrantHeader{}.bHold))
	_ = uint(unsafe.Offsetof(C.HydrantHeader{}.bHold) - unsafe.Offsetof(state.Header{}.Hold))
	_ = uint(uint64(state.ReadWrite)-C.HYDRANT_RW) + uint(C.HYDRANT_RW-uint64(state.ReadWrite))
	_ = uint(uint64(state.Failed)-C.HYDRANT_FAILED) + uint(C.HYDRANT_FAILED-uint64(state.Failed))
	_ = uint(uint64(state.Live)-C.HYDRANT_LIVE) + uint(C.HYDRANT_LIVE-uint64(state.Live))
	_ = uint(uint64(state.Complete)-C.HYDRANT_COMPLETE) + uint(C.HYDRANT_COMPLETE-uint64(state.Complete))
	_ = uint(state.FirstBytes-C.HYDRANT_NFIRST) + uint(C.HYDRANT_NFIRST-state.FirstBytes)
)

var registering sync.Mutex // hydrant_register is called once at a time

// UseAPI hands over SQLite: a *HydrantApi, which is copied. It comes before the first Register;
// later calls do nothing.
var UseAPI = func() func(unsafe.Pointer) {
	var once sync.Once
	return func(api unsafe.Pointer) {
		once.Do(func() { C.hydrant_use_api((*C.HydrantApi)(api)) })
	}
}()

// Register makes the VFS called name. It stays for the life of the process.
func Register(name string, opts *Options) error {
	_, err := register(name, opts)
	return err
}

func register(name string, opts *Options) (*vfs, error) {
	v := &vfs{}
	if opts != nil {
		v.opts = *opts
	}
	cname := C.CString(name)
	defer C.free(unsafe.Pointer(cname))
	h := cgo.NewHandle(v)
	registering.Lock()
	defer registering.Unlock()
	var why *C.char
	if rc := C.hydrant_register(cname, C.uintptr_t(h), &why); rc != C.SQLITE_OK {
		h.Delete()
		return nil, fmt.Errorf("register VFS %q: %s", name, C.GoString(why))
	}
	return v, nil
}

// hosted is what the functions for hosts work on.
var hosted struct {
	sync.Mutex // guards the rest
	vfs        *vfs
	name       string
}

// Host is Register for a loadable extension, whose host may not be able to say by a URI what is to
// be opened and how: connections get the functions hydrant_clone() and hydrant_default() as well,
// which are about this VFS. It is called once.
func Host(name string, opts *Options) error {
	v, err := register(name, opts)
	if err != nil {
		return err
	}
	hosted.Lock()
	defer hosted.Unlock()
	hosted.vfs, hosted.name = v, name
	C.hydrantHosted = 1
	return nil
}

// Default makes the hosted VFS SQLite's default one, with on false no longer; nil only asks. It
// returns whether it is.
func Default(on *bool) (bool, error) {
	hosted.Lock()
	defer hosted.Unlock()
	set := C.int(-1)
	switch {
	case on != nil && *on:
		set = 1
	case on != nil:
		set = 0
	}
	name := C.CString(hosted.name)
	defer C.free(unsafe.Pointer(name))
	is := C.hydrant_default(name, set)
	if is < 0 {
		return false, errors.New("SQLite refuses another default VFS")
	}
	return is != 0, nil
}

// LogTo has the lines that go to SQLite's log written to the file descriptor fd, too.
func LogTo(fd int) { C.hydrant_log_to(C.int(fd)) }

// Log writes one line to SQLite's log.
func Log(text string) { logLine(C.SQLITE_NOTICE, text) }

// logLine writes one line to SQLite's log.
func logLine(rc C.int, text string) {
	z := C.CString(text)
	defer C.free(unsafe.Pointer(z))
	C.hydrant_log(rc, z)
}

// uriParams yields the parameters of the URI that a main database was opened with. zName is the
// pointer that SQLite gave: they lie behind it.
func uriParams(zName *C.char) iter.Seq2[string, string] {
	return func(yield func(string, string) bool) {
		for i := C.int(0); ; i++ {
			key := C.hydrant_uri_key(zName, i)
			if key == nil || !yield(C.GoString(key), C.GoString(C.hydrant_uri_value(zName, key))) {
				return
			}
		}
	}
}

// newShared makes what the C half needs of an engine. View's memory may be kept there until the
// clone is closed: it is not Go's.
func newShared(h cgo.Handle, c *clone.Clone, path string, touches bool) (*C.HydrantClone, error) {
	p := (*C.HydrantClone)(C.calloc(1, C.sizeof_HydrantClone))
	if p == nil {
		return nil, errors.New("out of memory")
	}
	p.hGo = C.uintptr_t(h)
	if c == nil {
		return p, nil
	}
	if fd, ok := c.LockFd(); ok {
		C.hydrant_watch(p, C.int(fd))
	}
	v := c.View()
	if v.Header == nil {
		p.bReader = 1
		p.eGate = C.HYDRANT_GONE
		return p, nil
	}
	p.pHead = (*C.HydrantHeader)(unsafe.Pointer(v.Header))
	p.aHydrated = (*C.uint64_t)(v.Hydrated)
	p.aWritten = (*C.uint64_t)(v.Written)
	p.aDirty = (*C.uint64_t)(v.Dirty)
	p.nRegion = C.uint64_t(v.Regions)
	p.iShift = C.uint(v.RegionShift)
	if !c.Guarded() {
		p.eGate = C.HYDRANT_GONE
	} else if touches {
		p.pTouch = newTouches(v.Regions)
	}
	p.zJournal = C.CString(clone.PrivateName(path, journalSuffix) + "\x00")
	p.zWal = C.CString(clone.PrivateName(path, walSuffix) + "\x00")
	return p, nil
}

func freeShared(p *C.HydrantClone) {
	C.hydrant_unwatch(p)
	C.free(unsafe.Pointer(p.zJournal))
	C.free(unsafe.Pointer(p.zWal))
	C.free(unsafe.Pointer(p.pTouch))
	C.free(unsafe.Pointer(p))
}
