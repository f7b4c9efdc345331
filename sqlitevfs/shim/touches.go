package shim

/*
#include <stdlib.h>
#include "hydrantvfs.h"
*/
import "C"

import (
	"sync/atomic"
	"unsafe"

	"hydrant/clone"
)

// newTouches makes what the C half notes reads of a clone of so many regions in; nil when there is no
// memory for it: then they are not noted.
func newTouches(regions uint64) *C.HydrantTouches {
	seen := uint64(64)
	for seen < regions && seen < C.HYDRANT_MAXSEEN {
		seen *= 2
	}
	t := (*C.HydrantTouches)(C.calloc(1, C.size_t(C.sizeof_HydrantTouches+seen/8)))
	if t != nil {
		t.nSeen = C.uint64_t(seen)
	}
	return t
}

func word(p *C.uint64_t) *atomic.Uint64 { return (*atomic.Uint64)(unsafe.Pointer(p)) }

// touched takes out what the C half has noted, for clone.TouchedBy. One call at a time.
func (e *engine) touched(note func(clone.Range)) {
	t := e.shared.pTouch
	if t == nil {
		return
	}
	shift := uint(e.shared.iShift)
	for k := word(&t.iTaken).Load(); k < word(&t.iNext).Load(); k++ {
		slot := word(&t.aTouch[k%C.HYDRANT_NTOUCH])
		v := slot.Load()
		if v == 0 {
			return // somebody is about to write it
		}
		slot.Store(0)
		word(&t.iTaken).Store(k + 1)
		first, n := v>>16, v&0xffff // first is a region of the clone: no overflow
		note(clone.Range{Off: int64(first << shift), Len: int64(n << shift)})
	}
}
