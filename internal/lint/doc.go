// Package lint checks the shape of the tree, as tests: which package imports which, where a
// third-party module may be used, what is built without cgo, and a few habits. The tables at the
// head of its files are the design; a new package or dependency is a new line there.
package lint
