// Package source is what a clone reads from: one blob, read-only, pinned to one identity.
//
// The contract is small on purpose. A Source is told on every call which version of the blob is
// meant, so there is no state in which bytes of two versions could be mixed; wrappers (retry,
// limit, cache) forward by hand and add one thing each. The schemes live in sub-packages, and
// sourcetest holds the suite that each of them passes.
package source

import (
	"context"
	"io"
)

// Identity names one immutable version of a blob. Two identities are the same version exactly
// when they are equal.
type Identity struct {
	// Size is the length of the blob in bytes, ≥ 0.
	Size int64
	// Tag is the source's own name for the version: an ETag, a version id, or what a file system
	// offers. It is opaque, at most MaxTag bytes, and never empty.
	Tag string
}

// MaxTag bounds Identity.Tag, and MaxURL bounds Source.URL, in bytes: both are recorded in a
// state file, which bounds every length before it trusts it.
const (
	MaxTag = 512
	MaxURL = 2048
)

// Source is one blob. All methods may be called at the same time from many goroutines.
//
// Errors are classified where they are born: see [Kind]. A ctx that ends makes a call return
// ctx's error, wrapped, and nothing else.
type Source interface {
	// URL is the address of the blob as it is recorded and shown: without secrets, at most
	// MaxURL bytes. Opening a source by this URL reaches the same blob.
	URL() string

	// Identify asks for the blob as it is now: its identity, and its first bytes, at most n of
	// them (fewer when the blob is shorter). It costs one request.
	Identify(ctx context.Context, n int64) (Identity, []byte, error)

	// ReadRange returns bytes [off, off+n) of version id, in order, as they arrive. The range
	// lies inside [0, id.Size) and n > 0. The reader yields exactly n bytes and then io.EOF, or
	// an error: a short, long, re-encoded or foreign answer is an error and never bytes. The
	// caller closes the reader, at any point; closing early abandons the request.
	//
	// When the blob is no longer version id, the error is ErrChanged, from here or from a Read.
	ReadRange(ctx context.Context, id Identity, off, n int64) (io.ReadCloser, error)

	// Close releases connections. Readers still open fail afterwards.
	Close() error
}

// Localer is the optional power of a source whose bytes are on this machine already. Absent, a
// source is taken to be remote.
type Localer interface {
	// LocalPath is the path of the file that holds the blob.
	LocalPath() string
}

// Opened is the optional power of a source that is an open file: the kernel can copy from it.
type Opened interface {
	// WithFile calls f with the descriptor of the file, which holds version id at the offsets of the
	// blob. ErrChanged, also after f has succeeded, says that the file is not that version any more:
	// what f copied is not to be believed. Other errors are f's. f does not keep the descriptor.
	WithFile(id Identity, f func(fd uintptr) error) error
}

// Counter is the optional power of a source that counts what it costs.
type Counter interface {
	// Requests is the number of requests sent since the source was opened, retries included.
	Requests() int64
}

// Unwrapper is implemented by wrappers.
type Unwrapper interface {
	// Unwrap returns the source inside, never nil.
	Unwrap() Source
}

// As returns the first source in the chain of wrappers that has the power T.
func As[T any](s Source) (T, bool) {
	for s != nil {
		if t, ok := s.(T); ok {
			return t, true
		}
		u, ok := s.(Unwrapper)
		if !ok {
			break
		}
		s = u.Unwrap()
	}
	var zero T
	return zero, false
}

// ReadAll reads exactly len(p) bytes at off of version id. A helper over ReadRange.
func ReadAll(ctx context.Context, s Source, id Identity, p []byte, off int64) error {
	if len(p) == 0 {
		return nil
	}
	r, err := s.ReadRange(ctx, id, off, int64(len(p)))
	if err != nil {
		return err
	}
	_, err = io.ReadFull(r, p)
	if cerr := r.Close(); err == nil {
		err = cerr
	}
	return err
}
