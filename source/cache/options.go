package cache

import "fmt"

// Options are what the maker of a Pool may choose. The zero value is the default.
type Options struct {
	// BlockSize is the unit that is kept, in bytes: a power of two from 4 KiB to 8 MiB. 0 means
	// 256 KiB.
	BlockSize int64
}

const (
	smallestBlock = 4 << 10
	largestBlock  = 8 << 20
	// window bounds what one reader has in flight at once, and so one request, in bytes. It is
	// memory beyond what the pool is given to keep.
	window = largestBlock
)

func (o Options) withDefaults(bytes int64) (Options, error) {
	if o.BlockSize == 0 {
		o.BlockSize = 256 << 10
	}
	if b := o.BlockSize; b < smallestBlock || b > largestBlock || b&(b-1) != 0 {
		return o, fmt.Errorf("cache: BlockSize is %d, want a power of two from %d to %d", b, smallestBlock, largestBlock)
	}
	if bytes < 2*o.BlockSize {
		return o, fmt.Errorf("cache: %d bytes are too few, want at least two blocks of %d", bytes, o.BlockSize)
	}
	return o, nil
}
