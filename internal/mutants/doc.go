// Package mutants breaks hydrant on purpose, one line at a time, and sees whether a test notices.
//
// A test that stays green whatever one does to the code proves nothing. Each mutation names a place, what is put there instead,
// and the tests that have to turn red: a bit that is set before its bytes are written, a sync that is left
// out, a lock that nobody takes. The sources themselves are never touched: the compiler is given
// another file in the place of the mutated one (-overlay).
//
//	make mutants        runs them all and prints what noticed
//	go test ./internal/mutants
//
// The second, which is part of the ordinary tests, only sees that each mutation still has its place in the code.
package mutants
