// Package clone is the engine: dm-clone in user space, for any blob. It knows nothing of SQLite.
//
// A clone has a source, a dest and a state file. Each region is cold (its bytes are the source's),
// or local (they are in dest): hydrated as they were, or written by the user. Every change of a
// region from cold to local is one sequence,
//
//	fetch, then claim → re-check → copy → publish
//
// where bytes are fetched with nothing held, a claim is the right to change cold regions and is
// held for the copy alone, and publishing sets the bits and wakes whoever waits. Every durable
// change is another,
//
//	copy the words → sync dest → append to the log → answer
//
// so that a durable bit never stands over data that a power loss took away.
//
// Reading order: region.go (geometry), claims.go, flight.go (what is being fetched), install.go
// (claim → re-check → copy → publish), read.go, write.go, truncate.go, commit.go (checkpoints),
// hydrator.go, open.go with create.go and attach.go, complete.go, close.go. Apart from all that stand
// sight.go, reader.go and openreader.go: for processes that may not write, and change nothing.
//
// Locks, outermost first: Clone.opens nothing under commits.mu, flights.mu, flight.mu, claims.mu;
// none of them is held across a call of source, dest or state file, and no two at once except
// flights.mu before flight.mu.
package clone
