// Package logtest is a program with a single thread that listens to SQLite's log, and notes which
// thread each line comes from.
package logtest

/*
#cgo CFLAGS: -std=gnu11 -Wall -Wextra
#include <stdlib.h>
int logtest_listen(void);
int logtest_run(const char *zUri, const char *zSql, const char *zWant, int nAfter, char *zLine,
    char *zOwn, char *zOther, int nOut);
*/
import "C"

import (
	"fmt"
	"runtime"
	"unsafe"

	_ "hydrant/sqlitevfs/shim" // which is given a line to log
)

// Listen begins to listen. It comes before anything else that has to do with SQLite.
func Listen() error {
	if rc := C.logtest_listen(); rc != 0 {
		return fmt.Errorf("listen to SQLite's log: %d", rc)
	}
	return nil
}

// Run opens a database and asks query until that was locked, or has want in its answer, and after
// times from then on. Then a thread of the shim's logs line, and the database is read once more. It
// returns the lines that were logged until then by the thread that asked, and those by others,
// whenever that was.
func Run(uri, query, want string, after int, line string) (own, others string, err error) {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	var in [4]*C.char
	for i, s := range []string{uri, query, want, line} {
		in[i] = C.CString(s)
		defer C.free(unsafe.Pointer(in[i]))
	}
	var a, b [4096]C.char
	if rc := C.logtest_run(in[0], in[1], in[2], C.int(after), in[3], &a[0], &b[0], C.int(len(a))); rc != 0 {
		err = fmt.Errorf("logtest: %d", rc)
	}
	return C.GoString(&a[0]), C.GoString(&b[0]), err
}
