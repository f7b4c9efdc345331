// Package hosts holds the tests of the loadable extension in programs that are not ours: the sqlite3
// shell, Python, Node's own SQLite, better-sqlite3. They are behind the build tag e2e. What is
// missing is a failure that says how to get it, but for what this machine cannot have, which is
// said and skipped.
//
//	make hosts
package hosts
