package state

import (
	"fmt"

	"hydrant/bitmap"
)

// Bounds of a clone's geometry, in bytes.
const (
	MinRegion = 512
	MaxRegion = 8 << 20
	// MaxRegions bounds the number of regions, so that no offset computed here overflows.
	MaxRegions = 1 << 40
)

const (
	block      = 4096
	superA     = 0
	superB     = block
	headerOff  = 2 * block
	headerSize = 2 * block
	mapsOff    = headerOff + headerSize
)

// Map names one of the three maps.
type Map int

// The maps of a clone. Bit i speaks of region i; local = Hydrated | Written.
const (
	Hydrated Map = iota // the region is in dest
	Written             // … and was changed by the user
	Dirty               // … and the change has not been written back to the source's store
	NumMaps
)

// Layout says where each part of a state file lies. All offsets and sizes are in bytes and
// multiples of 4096.
type Layout struct {
	Regions uint64 // bits in each map
	Words   int    // 64-bit words in each map

	MapSize   int64          // of one volatile map
	MapOff    [NumMaps]int64 // the volatile maps
	VolEnd    int64          // end of what is mapped, which begins at the volatile header
	ImageOff  [2]int64       // the durable base images: a header block, then the maps
	ImageSize int64          // of one base image, header block included
	LogOff    int64          // the durable log
	LogSize   int64          // of the log
	FileSize  int64          // of the whole; traces may follow, see TraceRoom
}

// NewLayout computes the layout for a source of size bytes in regions of regionSize bytes.
func NewLayout(size, regionSize int64) (Layout, error) {
	if regionSize < MinRegion || regionSize > MaxRegion || regionSize&(regionSize-1) != 0 {
		return Layout{}, fmt.Errorf("region size %d: want a power of two from %d to %d", regionSize, MinRegion, MaxRegion)
	}
	if size < 0 || size/regionSize >= MaxRegions {
		return Layout{}, fmt.Errorf("size %d in regions of %d: more than %d regions", size, regionSize, uint64(MaxRegions))
	}
	var l Layout
	l.Regions = uint64(size / regionSize)
	if size%regionSize > 0 { // not rounded up before: the size may be all that an int64 holds
		l.Regions++
	}
	l.Words = bitmap.Words(l.Regions)

	l.MapSize = roundUp(int64(l.Words) * 8)
	off := int64(mapsOff)
	for m := range l.MapOff {
		l.MapOff[m] = off
		off += l.MapSize
	}
	l.VolEnd = off
	l.ImageSize = block + roundUp(int64(l.Words)*8*int64(NumMaps))
	for i := range l.ImageOff {
		l.ImageOff[i] = off
		off += l.ImageSize
	}
	l.LogOff = off
	// Room for a few seconds of anything; full means one more base image, so small is only slow.
	l.LogSize = min(max(2*l.ImageSize, 64<<10), 1<<20)
	l.FileSize = off + l.LogSize
	return l, nil
}

func roundUp(n int64) int64 { return (n + block - 1) &^ (block - 1) }
