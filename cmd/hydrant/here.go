package main

import (
	"context"
	"errors"
	"os"

	"hydrant/clone"
)

// here is the side of a comparison that is on this machine.
type here interface {
	ReadAt(ctx context.Context, p []byte, off int64) (int, error)
	// region is the unit in which is told what differs, in bytes, a power of two.
	region() int64
	// fate is what became of the region at off.
	fate(off int64) fate
	// forgets tells whether by now regions are changed without anybody's taking it down.
	forgets() bool
	// sizes says how the size differs from the source's; "" when it does not, or may.
	sizes(source int64) string
	Close() error
}

// fate is what became of a region since the clone was made, as far as anybody has taken it down.
type fate int

const (
	fateCopied  fate = iota // it is to be as it is in the source
	fateChanged             // the user wrote to it
	fateCold                // it has not been fetched
)

// openHere opens the file at path, and fetches nothing.
func openHere(ctx context.Context, path string, plain bool) (here, error) {
	if plain {
		return openPlainHere(path)
	}
	c, err := attach(ctx, path, clone.Options{NoBackground: true, NoTrace: true})
	if errors.Is(err, clone.ErrPlain) {
		return openPlainHere(path) // it became one when it was opened: detaching was all that was left
	}
	if err != nil {
		return nil, err
	}
	return &cloneHere{c}, nil
}

func openPlainHere(path string) (here, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	return &plainHere{f}, nil
}

// plainHere is an ordinary file.
type plainHere struct{ *os.File }

func (p *plainHere) ReadAt(_ context.Context, b []byte, off int64) (int, error) {
	return p.File.ReadAt(b, off)
}

func (p *plainHere) region() int64 { return clone.DefaultRegionSize }

func (p *plainHere) forgets() bool { return false } // nobody ever has: every change is a difference

func (p *plainHere) fate(int64) fate { return fateCopied }

func (p *plainHere) sizes(source int64) string {
	info, err := p.Stat()
	if err != nil {
		return err.Error()
	}
	return sizesDiffer(info.Size(), source)
}

// cloneHere is a clone. Its maps change while it is compared, from cold to copied and from either
// to changed.
type cloneHere struct{ *clone.Clone }

func (c *cloneHere) region() int64 { return c.RegionSize() }

func (c *cloneHere) fate(off int64) fate {
	local, written, err := c.Region(off)
	size, serr := c.Size()
	switch {
	case err != nil:
		return fateCopied // reading it says why
	case written, serr == nil && off >= size:
		return fateChanged // or cut off
	case local:
		return fateCopied
	}
	return fateCold
}

// forgets: once a clone is complete, and not to be kept as one, its users write past the maps.
func (c *cloneHere) forgets() bool { return !c.Guarded() && !c.Kept() }

// sizes may differ: a clone is cut and grown by those who write to it.
func (c *cloneHere) sizes(int64) string { return "" }
