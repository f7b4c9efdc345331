// Package shim is the SQLite VFS without a driver: the C half over SQLite's own unix VFS, and the
// Go half that it calls for what is not local. It refers to no sqlite3_ symbol: whoever uses it
// hands over a table of SQLite's functions, those that are linked in (sqlitevfs does that) or those
// that a host gives to an extension that it loads.
//
// Reading order: hydrantvfs.c (the file header is the manual), params.go (what a URI may say),
// decide.go (what a database is), engine.go and registry.go (one clone per file and process),
// export.go (every entry from C), io.go, side.go (journals and WAL), quiesce.go, command.go.
//
// Whole-file facts that users see are in package sqlitevfs.
package shim
