package trace

import (
	"cmp"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"slices"
)

// Errors of Decode.
var (
	// ErrNotTrace is returned for bytes that are no trace, or a damaged one.
	ErrNotTrace = errors.New("not a trace, or a damaged one")
	// ErrFuture is returned for a trace of a newer form.
	ErrFuture = errors.New("trace was written by a newer version of hydrant")
)

// Magic opens an encoded trace, and Version is the form that is written.
const (
	Magic   = "hydrtrac"
	Version = 1
)

// Offsets in the encoded form; the table in DESIGN.md is checked against them.
const (
	offMagic = 0
	offVers  = 8
	offSum   = 12
	offLen   = 16
	offCount = 20
	offSize  = 24
	offRuns  = 32
	// HeaderSize is where the ranges begin, bytes.
	HeaderSize = 40
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

// Encode returns the encoded form of t, made tidy, at most MaxEncoded bytes of it: what does not fit is
// the end, which is the least urgent.
func (t *Trace) Encode() []byte {
	t = t.Tidy()
	runs := min(max(t.Runs, 1), MaxRuns)
	b := make([]byte, HeaderSize, 1024)
	prev, count := int64(0), 0
	for _, r := range t.Ranges {
		lo, hi := r.units()
		if lo >= hi {
			continue
		}
		mark := len(b)
		b = binary.AppendVarint(b, lo-prev)
		b = binary.AppendUvarint(b, uint64(hi-lo))
		if runs > 1 {
			b = binary.AppendUvarint(b, uint64(min(max(r.Seen, 1), runs)))
		}
		if len(b) > MaxEncoded {
			b = b[:mark]
			break
		}
		prev = hi
		count++
	}
	le := binary.LittleEndian
	copy(b[offMagic:], Magic)
	le.PutUint32(b[offVers:], Version)
	le.PutUint32(b[offLen:], uint32(len(b)))
	le.PutUint32(b[offCount:], uint32(count))
	le.PutUint64(b[offSize:], uint64(max(t.Size, 0)))
	le.PutUint32(b[offRuns:], uint32(runs))
	le.PutUint32(b[offSum:], crc32.Checksum(b, castagnoli))
	return b
}

// Length reads from the first bytes of an encoded trace how long it is; false when these are none.
func Length(head []byte) (int, bool) {
	if len(head) < HeaderSize || string(head[:len(Magic)]) != Magic {
		return 0, false
	}
	n := binary.LittleEndian.Uint32(head[offLen:])
	return int(n), n >= HeaderSize && n <= MaxEncoded
}

// Decode reads an encoded trace, which is all of b. Errors: ErrNotTrace, ErrFuture.
func Decode(b []byte) (*Trace, error) {
	le := binary.LittleEndian
	n, ok := Length(b)
	if !ok || n != len(b) {
		return nil, fmt.Errorf("%w: %d bytes", ErrNotTrace, len(b))
	}
	sum := crc32.Update(0, castagnoli, b[:offSum])
	sum = crc32.Update(sum, castagnoli, make([]byte, 4))
	sum = crc32.Update(sum, castagnoli, b[offSum+4:])
	if sum != le.Uint32(b[offSum:]) {
		return nil, fmt.Errorf("%w: checksum", ErrNotTrace)
	}
	if v := le.Uint32(b[offVers:]); v != Version {
		return nil, fmt.Errorf("%w (form %d, this one knows %d)", ErrFuture, v, Version)
	}
	t := &Trace{Size: int64(le.Uint64(b[offSize:])), Runs: int(le.Uint32(b[offRuns:]))}
	count := int(le.Uint32(b[offCount:]))
	rest := b[HeaderSize:]
	if t.Size < 0 || t.Runs < 1 || t.Runs > MaxRuns || count > len(rest)/2 {
		return nil, fmt.Errorf("%w: out of bounds", ErrNotTrace)
	}
	t.Ranges = make([]Range, 0, count)
	for prev := int64(0); len(t.Ranges) < count; {
		var r Range
		var ok bool
		if r, rest, ok = decodeRange(rest, prev, t.Runs); !ok {
			return nil, fmt.Errorf("%w: range %d", ErrNotTrace, len(t.Ranges))
		}
		prev = r.End() / Unit
		t.Ranges = append(t.Ranges, r)
	}
	if len(rest) > 0 {
		return nil, fmt.Errorf("%w: %d bytes too many", ErrNotTrace, len(rest))
	}
	if t.overlaps() {
		return nil, fmt.Errorf("%w: it names bytes twice", ErrNotTrace)
	}
	return t, nil
}

// overlaps tells whether some byte is named twice.
func (t *Trace) overlaps() bool {
	sorted := slices.Clone(t.Ranges)
	slices.SortFunc(sorted, func(a, b Range) int { return cmp.Compare(a.Off, b.Off) })
	for i := 1; i < len(sorted); i++ {
		if sorted[i-1].End() > sorted[i].Off {
			return true
		}
	}
	return false
}

// decodeRange reads one range, which prev is in front of, and returns what follows.
func decodeRange(b []byte, prev int64, runs int) (r Range, rest []byte, ok bool) {
	delta, n := binary.Varint(b)
	if n <= 0 {
		return r, nil, false
	}
	units, m := binary.Uvarint(b[n:])
	if m <= 0 {
		return r, nil, false
	}
	rest = b[n+m:]
	seen := uint64(1)
	if runs > 1 {
		var k int
		if seen, k = binary.Uvarint(rest); k <= 0 {
			return r, nil, false
		}
		rest = rest[k:]
	}
	const most = MaxEnd / Unit
	if delta < -most || delta > most || prev+delta < 0 || prev+delta >= most || units < 1 || units > uint64(most-prev-delta) ||
		seen < 1 || seen > uint64(runs) {
		return r, nil, false
	}
	return Range{Off: (prev + delta) * Unit, Len: int64(units) * Unit, Seen: int(seen)}, rest, true
}
