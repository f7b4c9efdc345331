package clone

import (
	"unsafe"

	"hydrant/clone/state"
)

// View is what a fast path outside Go reads of a clone: memory shared by all its processes,
// valid until Close, never moved, read atomically. Regions at and past Regions are local.
//
// A read of [off, off+n) needs no call into the clone when every region it touches has its bit in
// Hydrated or Written; while Header.Phase is not state.Complete, the first 16 bytes of what was
// read from dest are then replaced by Header.First. A write needs none when besides that every
// region has its bits in Written and Dirty, it begins at or after byte 16 (or the phase is
// Complete), and Header.Mode is rw. When the phase is Complete and Header.Hold is 0, bits no longer
// matter: all is local.
type View struct {
	RegionShift uint
	Regions     uint64
	Header      *state.Header
	Hydrated    unsafe.Pointer // *uint64, bit i%64 of word i/64
	Written     unsafe.Pointer
	Dirty       unsafe.Pointer
}
