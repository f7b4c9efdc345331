package source

import (
	"context"
	"fmt"
	"io"
)

// Sidecar is the optional power of a source that can look for small files beside the blob, under the
// blob's own name with a suffix. Absent, there are none.
type Sidecar interface {
	// ReadBeside returns all of the file whose name is the blob's, of whatever version, with suffix.
	// It costs one request. The error is ErrNotFound when there is none; ErrDenied when there is
	// none that one may see, which many stores do not tell apart from the former; ErrBadAnswer when
	// it is longer than most bytes.
	ReadBeside(ctx context.Context, suffix string, most int64) ([]byte, error)
}

// SidecarWriter is the optional power of a source that can put such a file there. Absent, the source
// cannot be written to.
type SidecarWriter interface {
	Sidecar
	// WriteBeside makes b the file whose name is the blob's with suffix, whole or not at all, in the
	// place of one that was there.
	WriteBeside(ctx context.Context, suffix string, b []byte) error
}

// ReadShort reads r to its end, or returns ErrBadAnswer when that does not come within most bytes. A
// helper for implementations of Sidecar.
func ReadShort(r io.Reader, most int64) ([]byte, error) {
	b, err := io.ReadAll(io.LimitReader(r, most+1))
	if err != nil {
		return nil, err
	}
	if int64(len(b)) > most {
		return nil, BadAnswer("more than %d bytes", most)
	}
	return b, nil
}

// NoSidecar is the error of writing beside a source that has not the power to.
func NoSidecar(s Source) error {
	return fmt.Errorf("%s: nothing can be put beside a source of this kind", s.URL())
}
