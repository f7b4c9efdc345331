// Command extension is hydrant's VFS as a loadable extension of SQLite: a shared library without a
// SQLite of its own, which works with the one that loads it, whatever program that is in.
//
//	make extension    # dist/hydrant.so
//
// Loading it registers the VFS "hydrant" for the life of the process and gives each connection the
// SQL functions; see package sqlitevfs for both, and for the parameters of a URI. It does not
// become SQLite's default VFS unless asked: by SELECT hydrant_default(1), or by HYDRANT_DB and
// HYDRANT_SOURCE, which ask for one database and for no other to be a clone.
//
// The environment is read once, when the library is loaded. HYDRANT_LOG=1 has what goes to SQLite's
// log, and what happens to clones, written to standard error. Nothing ever goes to standard output.
//
// Programs in Go do not load it: they link package sqlitevfs.
package main

/*
#cgo CFLAGS: -std=gnu11 -Wall -Wextra -I${SRCDIR}/..
#include <stdlib.h>
#include "shim/hydrantvfs.h"
*/
import "C"

import (
	"fmt"
	"io"
	"log"
	"os"
	"unsafe"

	"hydrant/clone"
	"hydrant/internal/units"
	"hydrant/sqlitevfs/shim"
)

// hydrantExtensionLoad is called once, with the host's SQLite, which is copied. It returns why it
// failed, from malloc(), or nil.
//
//export hydrantExtensionLoad
func hydrantExtensionLoad(api *C.HydrantApi) *C.char {
	if err := load(unsafe.Pointer(api)); err != nil {
		return C.CString("hydrant: " + err.Error())
	}
	return nil
}

func load(api unsafe.Pointer) error {
	log.SetOutput(io.Discard) // libraries that we use may say something, and this is not our terminal
	opts := &shim.Options{}
	if value := os.Getenv("HYDRANT_LOG"); value != "" {
		on, err := units.ParseSwitch(value)
		if err != nil {
			return fmt.Errorf("HYDRANT_LOG: %w", err)
		}
		if on {
			shim.LogTo(2)
			opts.OnEvent = logEvent
		}
	}
	shim.UseAPI(api)
	if err := shim.Host("hydrant", opts); err != nil {
		return err
	}
	if os.Getenv("HYDRANT_DB") != "" && os.Getenv("HYDRANT_SOURCE") != "" {
		on := true
		_, err := shim.Default(&on)
		return err
	}
	return nil
}

var events = map[clone.EventKind]string{
	clone.Completed:   "complete, an ordinary file from now on",
	clone.Stall:       "stalled: the source fails",
	clone.Resumed:     "resumed",
	clone.ModeChanged: "not writable any more",
	clone.DiskFull:    "paused: the disk is full",
}

func logEvent(path string, ev clone.Event) {
	text := "hydrant: " + path + ": " + events[ev.Kind]
	if ev.Err != nil {
		text += ": " + ev.Err.Error()
	}
	shim.Log(text)
}

func main() {}
