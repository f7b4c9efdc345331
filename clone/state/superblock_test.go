package state

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"reflect"
	"strings"
	"testing"

	"hydrant/source"
)

func someSuperblock() *Superblock {
	return &Superblock{
		Seq: 6, UUID: [16]byte{1, 2, 3, 15: 16}, Size: 5000, RegionSize: 512, Phase: Live, Clean: true, Keep: true,
		Created: 1700000000123456789, First: [FirstBytes]byte{'S', 'Q', 'L', 15: 9},
		Stamp: Stamp{
			Boot:  [16]byte{7, 15: 8},
			Dest:  FileID{Mount: 11, Dev: 12, Inode: 13, Birth: -14},
			State: FileID{Mount: 21, Dev: 22, Inode: 23, Birth: 24},
		},
		Pair: 31, NextPair: 32, Cut: 4990,
		URL: "s3://bucket/key", Tag: `"etag"`,
	}
}

func encode(t testing.TB, s *Superblock) []byte {
	t.Helper()
	b, err := s.Encode()
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestSuperblockIsReadAsWritten(t *testing.T) {
	full := someSuperblock()
	full.URL, full.Tag = strings.Repeat("u", source.MaxURL), strings.Repeat("t", source.MaxTag)
	bare := &Superblock{RegionSize: MinRegion, Phase: Creating, Tag: "x"}
	for _, s := range []*Superblock{someSuperblock(), full, bare} {
		b := encode(t, s)
		if len(b) != block {
			t.Fatalf("%d bytes", len(b))
		}
		got, err := DecodeSuperblock(b)
		if err != nil || !reflect.DeepEqual(got, s) {
			t.Errorf("got %+v, %v; want %+v", got, err, s)
		}
	}
}

func TestSuperblockBounds(t *testing.T) {
	for name, change := range map[string]func(*Superblock){
		"address too long": func(s *Superblock) { s.URL = strings.Repeat("u", source.MaxURL+1) },
		"tag too long":     func(s *Superblock) { s.Tag = strings.Repeat("t", source.MaxTag+1) },
		"no tag":           func(s *Superblock) { s.Tag = "" },
	} {
		s := someSuperblock()
		change(s)
		if _, err := s.Encode(); err == nil {
			t.Errorf("%s: encoded", name)
		}
	}
	for name, change := range map[string]func(*Superblock){
		"no phase":           func(s *Superblock) { s.Phase = 0 },
		"unknown phase":      func(s *Superblock) { s.Phase = Complete + 1 },
		"cut of more":        func(s *Superblock) { s.Cut = s.Size + 1 },
		"negative cut":       func(s *Superblock) { s.Cut = -1 },
		"negative size":      func(s *Superblock) { s.Size = -1 },
		"odd region":         func(s *Superblock) { s.RegionSize = 513 },
		"small region":       func(s *Superblock) { s.RegionSize = 256 },
		"large region":       func(s *Superblock) { s.RegionSize = 16 << 20 },
		"more regions than…": func(s *Superblock) { s.Size = 1 << 62 },
	} {
		s := someSuperblock()
		change(s)
		if _, err := DecodeSuperblock(encode(t, s)); !errors.Is(err, ErrDamaged) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// resum makes the checksum right again.
func resum(b []byte) {
	binary.LittleEndian.PutUint32(b[sbCRC:], 0)
	binary.LittleEndian.PutUint32(b[sbCRC:], crc32.Checksum(b, castagnoli))
}

func TestSuperblockLengthsAreNotTrusted(t *testing.T) {
	for _, at := range []int{sbURLn, sbTagn} {
		b := encode(t, someSuperblock())
		binary.LittleEndian.PutUint16(b[at:], 0xffff)
		resum(b)
		if _, err := DecodeSuperblock(b); !errors.Is(err, ErrDamaged) {
			t.Errorf("length at %d: %v", at, err)
		}
	}
}

func TestSuperblockFlipOfAnyByteIsSeen(t *testing.T) {
	b := encode(t, someSuperblock())
	for i := range b {
		b[i] ^= 0x40
		if _, err := DecodeSuperblock(b); !errors.Is(err, ErrDamaged) {
			t.Errorf("byte %d: %v", i, err)
		}
		b[i] ^= 0x40
	}
	for _, n := range []int{0, 7, 8, block - 1} {
		if _, err := DecodeSuperblock(b[:n]); !errors.Is(err, ErrDamaged) {
			t.Errorf("cut to %d: %v", n, err)
		}
	}
}

// A version that is newer is refused, and not passed over for an older one in the other slot.
func TestFutureVersionIsRefused(t *testing.T) {
	f := newFile(t, someSuperblock())
	b := make([]byte, block)
	for _, off := range []int64{superA, superB} {
		was := make([]byte, block)
		f.ReadAt(was, off)
		copy(b, was)
		binary.LittleEndian.PutUint32(b[sbVers:], Version+1)
		resum(b)
		f.WriteAt(b, off)
		if _, err := ReadSuperblock(f); !errors.Is(err, ErrFuture) {
			t.Errorf("slot at %d: %v", off, err)
		}
		if _, err := Load(f); !errors.Is(err, ErrFuture) {
			t.Errorf("slot at %d: load: %v", off, err)
		}
		f.WriteAt(was, off)
	}
}

// Whatever part of a superblock a crash leaves written, the one before or the new one is read.
func TestTornSuperblockLeavesTheOneBefore(t *testing.T) {
	for _, step := range []int{1, 2, 3} { // both slots
		f := newFile(t, someSuperblock())
		before, err := ReadSuperblock(f)
		if err != nil {
			t.Fatal(err)
		}
		for range step {
			before.Created++
			if err := WriteSuperblock(f, before); err != nil {
				t.Fatal(err)
			}
		}
		after := *before
		after.Created = 42
		after.Seq++
		whole := encode(t, &after)
		off := int64(superA)
		if after.Seq%2 == 1 {
			off = superB
		}
		was := make([]byte, block)
		f.ReadAt(was, off)
		for n := 0; n <= block; n += 8 {
			f.WriteAt(was, off)
			f.WriteAt(whole[:n], off)
			got, err := ReadSuperblock(f)
			if err != nil {
				t.Fatalf("torn after %d bytes: %v", n, err)
			}
			if got.Seq != before.Seq && !bytes.Equal(encode(t, got), whole) {
				t.Fatalf("torn after %d bytes: %+v", n, got)
			}
		}
		if got, _ := ReadSuperblock(f); got.Created != 42 {
			t.Error("the new one is not read")
		}
	}
}

func TestGuard(t *testing.T) {
	a, b := GuardOf([16]byte{1}, 0), GuardOf([16]byte{2}, 0)
	if a == b || !IsGuard(a[:]) || !IsGuard(b[:]) || string(a[:8]) != "hydrant\n" {
		t.Errorf("%q %q", a, b)
	}
	for _, s := range []string{"", "hydrant", "SQLite format 3\x00", "hydrant-"} {
		if IsGuard([]byte(s)) {
			t.Errorf("%q is a guard", s)
		}
	}
}

// A guard is of one clone at one moment, or of two while it is being changed.
func TestGuardIsOfAMoment(t *testing.T) {
	s := &Superblock{UUID: [16]byte{1, 2, 3, 4, 5, 6, 7, 8}, Pair: 7, NextPair: 9}
	for _, c := range []struct {
		uuid        byte
		pair        uint32
		bears, same bool
	}{{1, 7, true, true}, {1, 9, true, true}, {1, 0, false, true}, {1, 8, false, true}, {2, 7, false, false}} {
		was := *s
		g := GuardOf([16]byte{c.uuid, 2, 3, 4, 5, 6, 7, 8}, c.pair)
		if bears, same := was.Bears(g[:]), was.SameClone(g[:]); bears != c.bears || same != c.same {
			t.Errorf("%v: bears %v, same clone %v", c, bears, same)
		} else if bears && was.Guard() != g {
			t.Errorf("%v: settled for %d", c, was.Pair)
		}
	}
}

// newFile is a state file in memory.
func newFile(t testing.TB, sb *Superblock) File {
	t.Helper()
	s := &MemoryStore{}
	if err := s.Create(func(f File) error { return Format(f, sb) }); err != nil {
		t.Fatal(err)
	}
	f, err := s.Open()
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func TestLoadRefusesAnotherLength(t *testing.T) {
	s := &MemoryStore{}
	if err := s.Create(func(f File) error { return Format(f, someSuperblock()) }); err != nil {
		t.Fatal(err)
	}
	img := s.Image()
	for _, n := range []int{0, 1, block, 2 * block, len(img) - 1, len(img) + int(TraceRoom) + 1} {
		b := make([]byte, n)
		copy(b, img)
		s.SetImage(b)
		f, err := s.Open()
		if err != nil {
			t.Fatal(err)
		}
		if _, err := Load(f); !errors.Is(err, ErrDamaged) {
			t.Errorf("%d of %d bytes: %v", n, len(img), err)
		}
	}
}

func TestLayoutPartsDoNotOverlap(t *testing.T) {
	for _, tt := range []struct{ size, region int64 }{
		{0, 512}, {1, 512}, {512, 512}, {513, 512}, {64 * 512, 512}, {64*512 + 1, 512}, {1 << 30, 4096}, {1 << 40, 4096}, {1 << 50, 8 << 20},
	} {
		l, err := NewLayout(tt.size, tt.region)
		if err != nil {
			t.Fatal(err)
		}
		at := int64(mapsOff)
		next := func(what string, off, size, least int64) {
			t.Helper()
			if off != at || off%block != 0 || size < least {
				t.Errorf("%v: %s at %d, %d bytes; want at %d, at least %d bytes", tt, what, off, size, at, least)
			}
			at = off + size
		}
		words := int64(l.Words) * 8
		for m, off := range l.MapOff {
			next(fmt.Sprint("map ", m), off, l.MapSize, words)
		}
		if l.VolEnd != at {
			t.Errorf("%v: volatile part ends at %d, want %d", tt, l.VolEnd, at)
		}
		for _, off := range l.ImageOff {
			next("image", off, l.ImageSize, block+3*words)
		}
		next("log", l.LogOff, l.LogSize, 64<<10)
		if l.FileSize != at || uint64(l.Words)*64 < l.Regions || l.Regions != uint64((tt.size+tt.region-1)/tt.region) {
			t.Errorf("%v: %+v", tt, l)
		}
	}
}
