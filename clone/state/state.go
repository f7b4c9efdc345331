package state

import (
	"fmt"
	"sync/atomic"
	"unsafe"

	"hydrant/bitmap"
)

// State is an open state file with its volatile part mapped.
type State struct {
	File   File
	Super  *Superblock
	Layout Layout
	Head   *Header
	Maps   [NumMaps]*bitmap.Map

	mem []byte
}

// Format fills an empty file with the state of a new clone: nothing hydrated, nothing written.
func Format(f File, sb *Superblock) error {
	lay, err := NewLayout(sb.Size, sb.RegionSize)
	if err != nil {
		return err
	}
	if err := f.Allocate(lay.FileSize); err != nil {
		return fmt.Errorf("reserve %d bytes: %w", lay.FileSize, err)
	}
	// Zeros written now spare each append the change of an extent, and end the log.
	if _, err := f.WriteAt(make([]byte, lay.LogSize), lay.LogOff); err != nil {
		return fmt.Errorf("write log: %w", err)
	}
	var empty ImageContent
	for m := range empty.Maps {
		empty.Maps[m] = make([]uint64, lay.Words)
	}
	empty.First = sb.First
	if err := WriteImage(f, lay, sb.UUID, 0, empty); err != nil {
		return err
	}
	for range 2 {
		if err := WriteSuperblock(f, sb); err != nil {
			return fmt.Errorf("write superblock: %w", err)
		}
	}
	return nil
}

// Load reads the superblock of f and maps its volatile part, whatever that holds: the caller
// judges whether it counts. It does not close f on error.
func Load(f File) (*State, error) {
	sb, err := ReadSuperblock(f)
	if err != nil {
		return nil, err
	}
	lay, err := NewLayout(sb.Size, sb.RegionSize)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrDamaged, err)
	}
	size, err := f.Size()
	if err != nil {
		return nil, err
	}
	if size != lay.FileSize {
		return nil, fmt.Errorf("%w: %d bytes long, want %d", ErrDamaged, size, lay.FileSize)
	}
	mem, err := f.Map(headerOff, lay.VolEnd-headerOff)
	if err != nil {
		return nil, fmt.Errorf("map: %w", err)
	}
	s := &State{File: f, Super: sb, Layout: lay, Head: headerOver(mem), mem: mem}
	for m := range s.Maps {
		words := s.words(Map(m))
		if lay.Words > 0 {
			// A stray bit past the end can only be damage; it must not stop an attach that
			// takes the durable maps anyway.
			maskTail(words, lay.Regions)
		}
		if s.Maps[m], err = bitmap.Over(words, lay.Regions); err != nil {
			return nil, fmt.Errorf("%w: %w", ErrDamaged, err)
		}
	}
	return s, nil
}

func (s *State) words(m Map) []uint64 {
	if s.Layout.Words == 0 {
		return nil
	}
	off := s.Layout.MapOff[m] - headerOff
	return unsafe.Slice((*uint64)(unsafe.Pointer(&s.mem[off])), s.Layout.Words)
}

func maskTail(words []uint64, regions uint64) {
	if n := regions % 64; n != 0 {
		last := &words[len(words)-1]
		if keep := uint64(1)<<n - 1; atomic.LoadUint64(last)&^keep != 0 {
			atomic.AndUint64(last, keep)
		}
	}
}

// Snapshot copies the words of all maps. Each word is as it was at one moment.
func (s *State) Snapshot() (snap [NumMaps][]uint64) {
	for m := range snap {
		src := s.words(Map(m))
		snap[m] = make([]uint64, len(src))
		for i := range src {
			snap[m][i] = atomic.LoadUint64(&src[i])
		}
	}
	return snap
}

// Reset makes the volatile part what is durable: after power loss. Only under the exclusive
// attach lock. Knobs and counters start from zero.
func (s *State) Reset(d *Durable) {
	clear(s.mem[:headerSize])
	maps, first := d.Maps()
	for m := range maps {
		dst := s.words(Map(m))
		for i, w := range maps[m] {
			atomic.StoreUint64(&dst[i], w)
		}
	}
	s.Head.SetFirst(first)
}
