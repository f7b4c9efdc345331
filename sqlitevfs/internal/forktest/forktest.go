// Package forktest uses SQLite in a child that was forked and never calls exec, as pre-forking
// servers do. Go cannot do that by itself, and does not run in the child.
package forktest

/*
#cgo CFLAGS: -std=gnu11 -Wall -Wextra
#include <stdlib.h>
int forktest(const char *zClone, const char *zPlain, const char *zWarm, const char *zCold,
    char *zOut, int nOut);
int forkhold(const char *zClone, const char *zWarm, int fdIn, int fdOut);
*/
import "C"

import (
	"fmt"
	"strings"
	"unsafe"
)

// Run opens clone, a URI, and runs the query warm on it. Then it forks, and in the child runs warm
// and cold on the same connection, and opens plain and clone anew. It returns what came of each:
// a result code.
func Run(clone, plain, warm, cold string) (map[string]int, error) {
	var in [4]*C.char
	for i, s := range []string{clone, plain, warm, cold} {
		in[i] = C.CString(s)
		defer C.free(unsafe.Pointer(in[i]))
	}
	var out [256]C.char
	if rc := C.forktest(in[0], in[1], in[2], in[3], &out[0], C.int(len(out))); rc != 0 {
		return nil, fmt.Errorf("forktest: %d (%s)", rc, C.GoString(&out[0]))
	}
	got := map[string]int{}
	for _, f := range strings.Fields(C.GoString(&out[0])) {
		name, rc, _ := strings.Cut(f, "=")
		var n int
		if _, err := fmt.Sscan(rc, &n); err != nil {
			return nil, err
		}
		got[name] = n
	}
	return got, nil
}

// Hold opens clone, a URI, runs the query warm on it, and forks a child that lives on. For each
// byte that the child reads from in it runs warm on the same connection, and writes the result code
// to out as one byte; it ends when in does.
func Hold(clone, warm string, in, out uintptr) error {
	c, w := C.CString(clone), C.CString(warm)
	defer C.free(unsafe.Pointer(c))
	defer C.free(unsafe.Pointer(w))
	if rc := C.forkhold(c, w, C.int(in), C.int(out)); rc != 0 {
		return fmt.Errorf("forkhold: %d", rc)
	}
	return nil
}
