// Package cache is a wrapper that keeps what was fetched in memory, for all clones of one process
// that read the same blob: N clones of one image fetch each block of it once.
//
// It is about blocks of one version of one blob, so nothing in it is ever out of date. Blocks are
// aligned; a range is rounded out to them, and those next to each other that nobody has are asked
// for by one request. How a block comes to a reader:
//
//	claim: in flight? → join it.  kept? → take it.  neither? → put it in flight, and fetch.
//	fetch: read the block → let the readers have it → keep it → it is no longer in flight.
//
// A block is in flight until it can be found among those that are kept, so there is no moment in
// which a second fetch of it could begin. Only for want of memory is a block fetched again.
package cache
