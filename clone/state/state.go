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

// Format fills an empty file with the state of a new clone: nothing hydrated, nothing written. Syncing
// it is for the store.
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
	write := func(p []byte, off int64) error { _, err := f.WriteAt(p, off); return err }
	if err := writeImage(write, lay, sb.UUID, 0, sb.First, func(Map, int) uint64 { return 0 }); err != nil {
		return err
	}
	for range 2 {
		if err := writeSuperblock(write, sb); err != nil {
			return fmt.Errorf("write superblock: %w", err)
		}
	}
	return nil
}

// Load reads the superblock of f and maps its volatile part, whatever that holds: the caller
// judges whether it counts. It does not close f on error.
func Load(f File) (*State, error) {
	s, err := Look(f)
	if err != nil {
		return nil, err
	}
	for m := range s.Maps {
		words := s.Words(Map(m))
		if s.Layout.Words > 0 {
			// A stray bit past the end can only be damage; it must not stop an attach that
			// takes the durable maps anyway.
			maskTail(words, s.Layout.Regions)
		}
		if s.Maps[m], err = bitmap.Over(words, s.Layout.Regions); err != nil {
			return nil, fmt.Errorf("%w: %w", ErrDamaged, err)
		}
	}
	return s, nil
}

// Look is Load for a File that may be open for looking only. Nothing is stored to what is mapped,
// and there are no Maps, only Words.
func Look(f File) (*State, error) {
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
	if size < lay.FileSize || size > lay.FileSize+TraceRoom {
		return nil, fmt.Errorf("%w: %d bytes long, want %d and up to %d for traces", ErrDamaged, size, lay.FileSize, TraceRoom)
	}
	mem, err := f.Map(headerOff, lay.VolEnd-headerOff)
	if err != nil {
		return nil, fmt.Errorf("map: %w", err)
	}
	return &State{File: f, Super: sb, Layout: lay, Head: headerOver(mem), mem: mem}, nil
}

// Words are those of map m, shared and read atomically. Bits past the last region mean nothing.
func (s *State) Words(m Map) []uint64 {
	if s.Layout.Words == 0 {
		return nil
	}
	off := s.Layout.MapOff[m] - headerOff
	return unsafe.Slice((*uint64)(unsafe.Pointer(&s.mem[off])), s.Layout.Words)
}

// CopyMaps makes Maps of copies of the words, for counting.
func (s *State) CopyMaps() (err error) {
	for m, words := range s.Snapshot() {
		if s.Layout.Words > 0 {
			maskTail(words, s.Layout.Regions)
		}
		if s.Maps[m], err = bitmap.Over(words, s.Layout.Regions); err != nil {
			return err
		}
	}
	return nil
}

// Holds tells whether addr is in the mapped part.
func (s *State) Holds(addr uintptr) bool {
	begin := uintptr(unsafe.Pointer(unsafe.SliceData(s.mem)))
	return begin <= addr && addr < begin+uintptr(len(s.mem))
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
		src := s.Words(Map(m))
		snap[m] = make([]uint64, len(src))
		for i := range src {
			snap[m][i] = atomic.LoadUint64(&src[i])
		}
	}
	return snap
}

// Since copies the bits that d has not. Each word is as it was at one moment. d may gain others before
// they are added to it.
func (s *State) Since(d *Durable) (news News) {
	for m := range news {
		src := s.Words(Map(m))
		for i := range src {
			news.add(d, Map(m), i, atomic.LoadUint64(&src[i]))
		}
	}
	return news
}

// Reset makes the volatile part what is durable: after power loss. Only under the exclusive
// attach lock. Knobs and counters start from zero, but for Judged and Resets; the mode stays what it
// is, also when somebody dies over it. The caller sets that, and Format when all is done.
func (s *State) Reset(d *Durable) {
	// Whoever looks on is to know before anything changes, and not to take it for done.
	s.Head.Format.Store(0)
	s.Head.Resets.Add(1)
	zero := func(from, to uintptr) {
		w := words(s.mem[from:to])
		for i := range w {
			atomic.StoreUint64(&w[i], 0)
		}
	}
	zero(unsafe.Offsetof(s.Head.Phase), unsafe.Offsetof(s.Head.Judged))
	zero(unsafe.Offsetof(s.Head.LostLocal), headerSize)
	for m := range d.maps {
		dst := s.Words(Map(m))
		for i := range dst {
			atomic.StoreUint64(&dst[i], d.Word(Map(m), i))
		}
	}
	s.Head.SetFirst(d.First())
}
