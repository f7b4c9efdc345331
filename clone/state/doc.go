// Package state is a clone's state file: its form on disk, and nothing of what is done with it.
//
// The file has six parts, each at a place that Layout computes from the clone's size and region
// size alone (the tables are in DESIGN.md, and a test holds the two together):
//
//	two superblocks    what the clone is: identity, phase, stamp; written alternately
//	volatile header    words shared by every process: mode, phase, counters, knobs, first bytes
//	volatile maps      hydrated, written, dirty
//	durable images     two base images of the maps, written alternately
//	durable log        records of bits added since the newer image
//	traces             hints, at the end, which may be missing
//
// The volatile parts are mapped shared and outlive a process that is killed. The durable parts
// are only ever written through calls that return when the bytes are on stable storage, and
// outlive everything. No function here takes a lock on its own account; who may call what is said
// at each.
package state

import "errors"

// Errors about what is on disk. They are wrapped with the name of the file.
var (
	// ErrDamaged is returned when a checksum, a length or a bound does not hold.
	ErrDamaged = errors.New("state file is damaged")
	// ErrFuture is returned when a newer version wrote the file.
	ErrFuture = errors.New("state file was written by a newer version of hydrant")
)
