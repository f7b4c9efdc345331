// Package torture breaks clones as machines do, and holds what is left against an oracle. Processes
// write to a clone, read it and look on; they are killed, stopped, and failed by the kernel and by
// their source; then everything that was acknowledged has to be there, and nothing else.
//
// How it hangs together:
//
//	shape.go, schema.go   what database: seeded, with everything SQLite has that moves pages
//	plan.go               what a writer does in its n-th transaction: a function of seed, owner, n
//	child.go              the roles of a child process, and how it talks with its parent
//	writer.go reader.go   …
//	process.go, acks.go   the parent's side of a child, and what it was told
//	oracle.go             replays the acknowledged transactions into a plain database, compares
//	blob.go               the same for the engine alone, on bytes
//	faults.go, strace.go  what is done to them
//	round.go, report.go   all of it together; soak/ is the command
//
// Each writer owns rows of its own in tables that all share, so that the content does not depend on
// how writers took turns, and their pages, indexes and counters do.
//
// Whoever only needs parts: a program calls Child first thing in main (a test in TestMain), then
// Start runs itself again in a role, Acks collects what was acknowledged, and Oracle.Check compares.
package torture
