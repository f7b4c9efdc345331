package source

import (
	"context"

	"hydrant/internal/crc"
)

// Sum is the checksum of all bytes of a blob.
type Sum struct {
	Kind  *crc.Kind
	Value uint64
}

// Summer is the optional power of a source whose store keeps a checksum of the whole blob, made when
// it was stored. Absent, only lengths and identities are checked.
type Summer interface {
	// Sum returns the checksum of version id, false when the store has none of a kind we know. It
	// costs one request. The error is ErrChanged when the blob is another version now.
	Sum(ctx context.Context, id Identity) (Sum, bool, error)
}
