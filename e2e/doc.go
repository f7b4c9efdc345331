// Package e2e holds the tests that need real programs beside hydrant: a real S3 server (versitygw, pinned in tools),
// the sqlite3 shell. They are behind the build tag e2e and never skip: what is missing is a failure that says how to
// get it.
//
//	make versitygw && go test -tags e2e ./e2e
package e2e
