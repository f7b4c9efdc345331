// Command vfslib is hydrant's VFS as a shared library for programs that were written for SQLite
// alone, like those of its test suite: they are linked with libhydrantsuite.so and built with
// -DSQLITE_EXTRA_INIT=hydrant_suite_init, so that SQLite, when it initializes itself, makes the
// VFS its default one. It uses the SQLite that the program brought.
//
// With HYDRANT_SUITE=clone in the environment databases are turned into clones behind the back of
// the program, see clones.go.
package main

/*
#cgo CFLAGS: -std=gnu11 -Wall -Wextra -I${SRCDIR}/../../sqlitevfs
#cgo linux LDFLAGS: -Wl,--unresolved-symbols=ignore-all
#cgo darwin LDFLAGS: -Wl,-undefined,dynamic_lookup
#include "linked.h"
*/
import "C"

import (
	"fmt"
	"os"
	"unsafe"

	"hydrant/sqlitevfs/shim"
)

// hydrantSuiteRegister makes the VFS, and returns 0 when that went well.
//
//export hydrantSuiteRegister
func hydrantSuiteRegister() C.int {
	shim.UseAPI(unsafe.Pointer(C.hydrant_linked()))
	if err := shim.Register("hydrant", nil); err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return 0
}

func main() {}
