// Package s3test is a small S3 server inside the process, for tests, the demo and benches.
//
// It is honest where a reader or a compare-and-swap depends on it: ranges, conditions, ETags, checksums, signatures
// and error codes are S3's, and internal/s3conform runs the same checks against it and against a real server so that
// it cannot drift. It is a network too: time to first byte, bandwidth per connection and in total (Network), all
// changeable while it runs. And it is an adversary: faults are injected by rules (Inject).
//
// Objects are held in memory (Put), in a file on disk (PutFile) or by any io.ReaderAt (PutReaderAt), so that an
// object of 100 GiB costs nothing. The package does not import testing; Start takes any testing.TB.
//
// How a request passes, in files:
//
//	conn.go → call.go (which operation) → stats.go → network.go (wait) → fault.go (plan: action.go hostile.go) → sigv4.go (who)
//	        → get.go put.go copy.go delete.go list.go multipart.go bucket.go (the operation, on store.go)
//	        → send.go (the body: pace.go, cuts of the plan)
//
// What differs from S3: the answer to a conditional PUT comes after the body was read (S3 may refuse earlier, and the
// client then sees a broken connection: Reset and LoseResponse show what that is like); a copy keeps the source's ETag,
// also that of a multipart object; a file's ETag is not its content's; versions and uploads are listed in one page;
// there are no ACLs, policies, tags, encryption, lifecycles or locks (501); one account, one region, path-style
// addresses or hosts under localhost; a completed upload's id is forgotten at once; parts with gaps keep their numbers
// only until completion.
//
// Locks: store.mu, stats.mu, faults.mu, rng.mu and pace.mu are leaves; none is held while another is taken, nor
// across reads of contents or writes to a connection.
package s3test
