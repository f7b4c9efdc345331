package state

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"hash/crc32"

	"hydrant/source"
)

// Version is the version of the format that this package reads and writes.
const Version = 1

// SuperMagic opens each superblock.
const SuperMagic = "hydrstat"

// FirstBytes is how many bytes at the front of dest the guard takes the place of.
const FirstBytes = 16

// Phase says how far a clone has come. It only grows.
type Phase uint32

// The phases, see DESIGN.md "Transitions".
const (
	Creating   Phase = 1 + iota // dest may not be there yet
	Live                        // the maps rule
	Completing                  // dest is whole; nothing here is applied to it any more
	Complete                    // and it bears its own first bytes
)

func (p Phase) String() string {
	switch p {
	case Creating:
		return "creating"
	case Live:
		return "live"
	case Completing:
		return "completing"
	case Complete:
		return "complete"
	}
	return fmt.Sprintf("phase %d", uint32(p))
}

// FileID tells one file on one mount in one life of the machine from all others.
type FileID struct {
	Mount uint64 // unique mount id; 0: the kernel has none to give
	Dev   uint64
	Inode uint64
	Birth int64 // nanoseconds since 1970, 0: not known
}

// SameFile tells whether two ids are of one inode, on whatever mount. A file system may be another
// device with each mount (overlay and btrfs have numbers that are made up, disks are found in
// another order), so that counts only within one; a copy has another birth time.
func (a FileID) SameFile(b FileID) bool {
	sameDev := a.Dev == b.Dev || a.Birth != 0 && a.Mount != b.Mount
	return sameDev && a.Inode == b.Inode && a.Birth == b.Birth
}

// Stamp says under which circumstances the volatile part was last in use.
type Stamp struct {
	Boot  [16]byte // the kernel's boot id
	Dest  FileID
	State FileID
}

// Superblock says what the clone is. It is written whole, to the older of two slots, with a
// sequence number one higher; the valid one with the higher number counts.
type Superblock struct {
	Seq        uint64
	UUID       [16]byte
	Size       int64 // of the source, bytes
	RegionSize int64 // bytes, a power of two
	Phase      Phase
	Clean      bool             // closed by the last process, everything durable
	Keep       bool             // not to be detached but by Detach
	Corrupt    bool             // some bytes of the source were damaged on their way here
	Created    int64            // nanoseconds since 1970
	First      [FirstBytes]byte // the source's own first bytes, zeros past its end
	Stamp      Stamp
	Adopts     [FirstBytes]byte // the guard of the clone that this one was copied from, until dest bears its own

	// Pair is a number that dest bears in its guard and that changes each time the clone is opened
	// by the first and closed by the last: files of different moments do not match. While it
	// changes dest may bear either of the two; otherwise they are the same.
	Pair, NextPair uint32
	// Cut is by how much dest may be shorter than the source, bytes: what it was truncated by at
	// the most. A dest that is shorter still was cut by somebody else.
	Cut int64

	URL string // without secrets
	Tag string // of the source's identity
}

// Identity is the version of the source that the clone is pinned to.
func (s *Superblock) Identity() source.Identity {
	return source.Identity{Size: s.Size, Tag: s.Tag}
}

// Guard is what dest's first bytes on disk are while the clone is incomplete.
func (s *Superblock) Guard() [FirstBytes]byte { return GuardOf(s.UUID, s.Pair) }

// Bears tells whether front is the guard, and makes the number that it bears Pair. The other one stays
// NextPair: front may not be what the disk has.
func (s *Superblock) Bears(front []byte) bool {
	for range 2 {
		if g := GuardOf(s.UUID, s.Pair); string(front) == string(g[:]) {
			return true
		}
		s.Pair, s.NextPair = s.NextPair, s.Pair
	}
	return false
}

// GuardMagic opens the guard.
const GuardMagic = "hydrant\n"

// GuardOf returns the guard of the clone with this uuid: the magic, four bytes of the uuid, and
// four more that are one with pair.
func GuardOf(uuid [16]byte, pair uint32) (g [FirstBytes]byte) {
	copy(g[:], GuardMagic)
	copy(g[len(GuardMagic):], uuid[:])
	last := g[FirstBytes-4:]
	binary.LittleEndian.PutUint32(last, binary.LittleEndian.Uint32(last)^pair)
	return g
}

// SameClone tells whether front is a guard that this clone may have borne at some moment.
func (s *Superblock) SameClone(front []byte) bool {
	g := s.Guard()
	return len(front) == FirstBytes && string(front[:FirstBytes-4]) == string(g[:FirstBytes-4])
}

// IsGuard tells whether b begins with any clone's guard.
func IsGuard(b []byte) bool { return bytes.HasPrefix(b, []byte(GuardMagic)) }

// Offsets in a superblock; the table in DESIGN.md is checked against them.
const (
	sbMagic = 0
	sbVers  = 8
	sbCRC   = 12
	sbSeq   = 16
	sbUUID  = 24
	sbSize  = 40
	sbReg   = 48
	sbPhase = 52
	sbFlags = 56
	sbTime  = 64
	sbFirst = 72
	sbStamp = 88
	sbURLn  = 168
	sbTagn  = 170
	sbPair  = 172
	sbNext  = 176
	sbCut   = 184
	sbURL   = 192
	sbTag   = sbURL + source.MaxURL
	sbAdopt = sbTag + source.MaxTag
	sbEnd   = sbAdopt + FirstBytes
)

const (
	flagClean = 1 << iota
	flagKeep
	flagCorrupt
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// Encode returns the superblock as one block of 4096 bytes.
func (s *Superblock) Encode() ([]byte, error) {
	if len(s.URL) > source.MaxURL {
		return nil, fmt.Errorf("source address of %d bytes: want at most %d", len(s.URL), source.MaxURL)
	}
	if len(s.Tag) == 0 || len(s.Tag) > source.MaxTag {
		return nil, fmt.Errorf("source identity of %d bytes: want 1 to %d", len(s.Tag), source.MaxTag)
	}
	b := make([]byte, block)
	le := binary.LittleEndian
	copy(b[sbMagic:], SuperMagic)
	le.PutUint32(b[sbVers:], Version)
	le.PutUint64(b[sbSeq:], s.Seq)
	copy(b[sbUUID:], s.UUID[:])
	le.PutUint64(b[sbSize:], uint64(s.Size))
	le.PutUint32(b[sbReg:], uint32(s.RegionSize))
	le.PutUint32(b[sbPhase:], uint32(s.Phase))
	var flags uint32
	if s.Clean {
		flags |= flagClean
	}
	if s.Keep {
		flags |= flagKeep
	}
	if s.Corrupt {
		flags |= flagCorrupt
	}
	le.PutUint32(b[sbFlags:], flags)
	le.PutUint64(b[sbTime:], uint64(s.Created))
	copy(b[sbFirst:], s.First[:])
	putStamp(b[sbStamp:], &s.Stamp)
	le.PutUint16(b[sbURLn:], uint16(len(s.URL)))
	le.PutUint16(b[sbTagn:], uint16(len(s.Tag)))
	le.PutUint32(b[sbPair:], s.Pair)
	le.PutUint32(b[sbNext:], s.NextPair)
	le.PutUint64(b[sbCut:], uint64(s.Cut))
	copy(b[sbURL:], s.URL)
	copy(b[sbTag:], s.Tag)
	copy(b[sbAdopt:], s.Adopts[:])
	le.PutUint32(b[sbCRC:], crc32.Checksum(b, castagnoli))
	return b, nil
}

// DecodeSuperblock reads one block. An error is ErrDamaged or ErrFuture, wrapped.
func DecodeSuperblock(b []byte) (*Superblock, error) {
	if len(b) < block || string(b[:len(SuperMagic)]) != SuperMagic {
		return nil, fmt.Errorf("%w: no superblock", ErrDamaged)
	}
	le := binary.LittleEndian
	b = bytes.Clone(b[:block])
	sum := le.Uint32(b[sbCRC:])
	le.PutUint32(b[sbCRC:], 0)
	if crc32.Checksum(b, castagnoli) != sum {
		return nil, fmt.Errorf("%w: superblock checksum", ErrDamaged)
	}
	if v := le.Uint32(b[sbVers:]); v != Version {
		if v > Version {
			return nil, fmt.Errorf("%w (format %d, this one knows %d)", ErrFuture, v, Version)
		}
		return nil, fmt.Errorf("%w: format %d", ErrDamaged, v)
	}
	s := &Superblock{
		Seq:        le.Uint64(b[sbSeq:]),
		Size:       int64(le.Uint64(b[sbSize:])),
		RegionSize: int64(le.Uint32(b[sbReg:])),
		Phase:      Phase(le.Uint32(b[sbPhase:])),
		Clean:      le.Uint32(b[sbFlags:])&flagClean != 0,
		Keep:       le.Uint32(b[sbFlags:])&flagKeep != 0,
		Corrupt:    le.Uint32(b[sbFlags:])&flagCorrupt != 0,
		Created:    int64(le.Uint64(b[sbTime:])),
		Pair:       le.Uint32(b[sbPair:]),
		NextPair:   le.Uint32(b[sbNext:]),
		Cut:        int64(le.Uint64(b[sbCut:])),
	}
	copy(s.UUID[:], b[sbUUID:])
	copy(s.First[:], b[sbFirst:])
	copy(s.Adopts[:], b[sbAdopt:])
	getStamp(b[sbStamp:], &s.Stamp)
	urlLen, tagLen := int(le.Uint16(b[sbURLn:])), int(le.Uint16(b[sbTagn:]))
	if urlLen > source.MaxURL || tagLen < 1 || tagLen > source.MaxTag || s.Phase < Creating || s.Phase > Complete || s.Cut < 0 || s.Cut > s.Size {
		return nil, fmt.Errorf("%w: superblock out of bounds", ErrDamaged)
	}
	s.URL = string(b[sbURL : sbURL+urlLen])
	s.Tag = string(b[sbTag : sbTag+tagLen])
	if _, err := NewLayout(s.Size, s.RegionSize); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrDamaged, err)
	}
	return s, nil
}

func putStamp(b []byte, s *Stamp) {
	copy(b, s.Boot[:])
	for i, id := range []FileID{s.Dest, s.State} {
		o := b[16+32*i:]
		binary.LittleEndian.PutUint64(o[0:], id.Mount)
		binary.LittleEndian.PutUint64(o[8:], id.Dev)
		binary.LittleEndian.PutUint64(o[16:], id.Inode)
		binary.LittleEndian.PutUint64(o[24:], uint64(id.Birth))
	}
}

func getStamp(b []byte, s *Stamp) {
	copy(s.Boot[:], b)
	for i, id := range []*FileID{&s.Dest, &s.State} {
		o := b[16+32*i:]
		id.Mount = binary.LittleEndian.Uint64(o[0:])
		id.Dev = binary.LittleEndian.Uint64(o[8:])
		id.Inode = binary.LittleEndian.Uint64(o[16:])
		id.Birth = int64(binary.LittleEndian.Uint64(o[24:]))
	}
}

// ReadSuperblock returns the newer valid superblock of f. One damaged slot is what a torn write
// leaves, and is passed over; two, or a future version in either, are an error.
func ReadSuperblock(f File) (*Superblock, error) {
	var best *Superblock
	var first error
	for _, off := range []int64{superA, superB} {
		b := make([]byte, block)
		if _, err := f.ReadAt(b, off); err != nil {
			return nil, fmt.Errorf("%w: read superblock: %w", ErrDamaged, err)
		}
		s, err := DecodeSuperblock(b)
		if err != nil {
			if isFuture(err) {
				return nil, err
			}
			first = cmpErr(first, err)
			continue
		}
		if best == nil || s.Seq > best.Seq {
			best = s
		}
	}
	if best == nil {
		return nil, first
	}
	return best, nil
}

// WriteSuperblock makes s, with the next sequence number, the durable superblock of f.
// Only the holder of the exclusive attach lock, or of the superblock lock, may call it.
func WriteSuperblock(f File, s *Superblock) error { return writeSuperblock(f.WriteSync, s) }

func writeSuperblock(write writer, s *Superblock) error {
	s.Seq++
	b, err := s.Encode()
	if err != nil {
		return err
	}
	off := int64(superA)
	if s.Seq%2 == 1 {
		off = superB
	}
	return write(b, off)
}
