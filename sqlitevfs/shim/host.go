package shim

/*
#include <stdlib.h>
#include "hydrantint.h"
*/
import "C"

import (
	"errors"
	"fmt"
	"maps"
	"unsafe"

	"hydrant/internal/units"
)

// What hosts need that cannot say by a URI what is to be opened.

// clone does what opening the path with that source= does, and answers the URI by which it is opened
// from then on: a clone that is not there is made, one that is there is left as it is, and so is a
// plain file, with a line in the log. Nobody waits for more than the source's first bytes.
func (q *query) clone() result {
	uri, err := q.prepare()
	if err != nil {
		return result{err: fmt.Errorf("clone: %w", err)}
	}
	return result{value: uri}
}

func (q *query) prepare() (string, error) {
	if q.arg == nil || q.arg2 == nil || *q.arg == "" || *q.arg2 == "" {
		return "", errors.New("want a source and a path")
	}
	hosted.Lock()
	v, name := hosted.vfs, hosted.name
	hosted.Unlock()
	path, err := fullPath(*q.arg2)
	if err != nil {
		return "", err
	}
	d := v.decide(request{vfs: name, path: path, params: maps.All(map[string]string{"source": *q.arg})})
	if d.engine != nil {
		engines.release(d.engine)
	}
	return FileURI(path, Param{"vfs", name}), d.err
}

// makeDefault is 1 when our VFS is SQLite's default one from now on.
func (q *query) makeDefault() result {
	var on *bool
	if q.arg != nil {
		b, err := units.ParseSwitch(*q.arg)
		if err != nil {
			return result{err: fmt.Errorf("default: %w", err)}
		}
		on = &b
	}
	is, err := Default(on)
	if err != nil {
		return result{err: fmt.Errorf("default: %w", err)}
	}
	return boolean(is)
}

// fullPath is the name by which SQLite opens what is at path.
func fullPath(path string) (string, error) {
	z := C.CString(path)
	defer C.free(unsafe.Pointer(z))
	full := C.hydrant_full_path(z)
	if full == nil {
		return "", fmt.Errorf("no such path: %s", path)
	}
	defer C.free(unsafe.Pointer(full))
	return C.GoString(full), nil
}
