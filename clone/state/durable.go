package state

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"slices"

	"hydrant/bitmap"
)

// Durable is the durable record of the maps: the newer valid base image, and the log since.
//
// It only ever gains bits of Hydrated and Written (a commit that copied its words early must not
// take back what another process has committed since), and each record is the difference to all
// records before it. So a record may be written only by one who has read them all: every method
// but Maps is for the holder of the log lock.
type Durable struct {
	f     File
	lay   Layout
	uuid  [16]byte
	gen   uint64 // of the base image in force
	seq   uint64 // of the next record
	tail  int64  // where it goes, from the start of the log
	maps  [NumMaps][]uint64
	first [FirstBytes]byte
}

// Offsets in a base image's header block.
const (
	biMagic = 0
	biVers  = 8
	biCRC   = 12
	biGen   = 16
	biUUID  = 24
	biWords = 40
	biSum   = 48
	biFirst = 56
	biEnd   = 72

	imageMagic = "hydrbase"
)

// Offsets in a log record. Its length is a multiple of 8.
const (
	recCRC   = 0
	recLen   = 4
	recSeq   = 8
	recDelta = 16 // three lengths of 4 bytes: the delta of each map
	recFirst = 32
	recData  = recFirst + FirstBytes
)

// ImageContent is what a base image holds.
type ImageContent struct {
	Maps  [NumMaps][]uint64
	First [FirstBytes]byte
}

// WriteImage writes base image gen of the clone uuid, durably: first the maps, then the header
// block that makes them count.
func WriteImage(f File, lay Layout, uuid [16]byte, gen uint64, c ImageContent) error {
	off := lay.ImageOff[gen%2]
	data := make([]byte, 0, lay.ImageSize-block)
	for _, m := range c.Maps {
		for _, w := range m {
			data = binary.LittleEndian.AppendUint64(data, w)
		}
	}
	if len(data) > 0 {
		if err := f.WriteSync(data, off+block); err != nil {
			return fmt.Errorf("write base image: %w", err)
		}
	}
	h := make([]byte, block)
	le := binary.LittleEndian
	copy(h[biMagic:], imageMagic)
	le.PutUint32(h[biVers:], Version)
	le.PutUint64(h[biGen:], gen)
	copy(h[biUUID:], uuid[:])
	le.PutUint64(h[biWords:], uint64(lay.Words))
	le.PutUint32(h[biSum:], crc32.Checksum(data, castagnoli))
	copy(h[biFirst:], c.First[:])
	le.PutUint32(h[biCRC:], crc32.Checksum(h[:biEnd], castagnoli))
	if err := f.WriteSync(h, off); err != nil {
		return fmt.Errorf("write base image: %w", err)
	}
	return nil
}

// readImage reads the image in slot i; ErrDamaged when it is not whole, which is what a crash in
// WriteImage leaves in the older slot.
func readImage(f File, lay Layout, uuid [16]byte, i int) (gen uint64, c ImageContent, err error) {
	off := lay.ImageOff[i]
	h := make([]byte, block)
	if _, err := f.ReadAt(h, off); err != nil {
		return 0, c, fmt.Errorf("%w: read base image: %w", ErrDamaged, err)
	}
	le := binary.LittleEndian
	sum := le.Uint32(h[biCRC:])
	le.PutUint32(h[biCRC:], 0)
	gen = le.Uint64(h[biGen:])
	if string(h[:len(imageMagic)]) != imageMagic || crc32.Checksum(h[:biEnd], castagnoli) != sum ||
		[16]byte(h[biUUID:biUUID+16]) != uuid || le.Uint64(h[biWords:]) != uint64(lay.Words) || gen%2 != uint64(i) {
		return 0, c, fmt.Errorf("%w: base image header", ErrDamaged)
	}
	data := make([]byte, lay.Words*8*int(NumMaps))
	if _, err := f.ReadAt(data, off+block); err != nil {
		return 0, c, fmt.Errorf("%w: read base image: %w", ErrDamaged, err)
	}
	if crc32.Checksum(data, castagnoli) != le.Uint32(h[biSum:]) {
		return 0, c, fmt.Errorf("%w: base image checksum", ErrDamaged)
	}
	for m := range c.Maps {
		c.Maps[m] = make([]uint64, lay.Words)
		for w := range c.Maps[m] {
			c.Maps[m][w] = le.Uint64(data[(m*lay.Words+w)*8:])
		}
	}
	copy(c.First[:], h[biFirst:])
	return gen, c, nil
}

// OpenDurable reads what is durable in f.
func OpenDurable(f File, lay Layout, uuid [16]byte) (*Durable, error) {
	d := &Durable{f: f, lay: lay, uuid: uuid}
	if err := d.reload(); err != nil {
		return nil, err
	}
	return d, nil
}

func (d *Durable) reload() error {
	var first error
	found := false
	for i := range d.lay.ImageOff {
		gen, c, err := readImage(d.f, d.lay, d.uuid, i)
		if err != nil {
			first = cmpErr(first, err)
			continue
		}
		if !found || gen > d.gen {
			d.gen, d.maps, d.first, found = gen, c.Maps, c.First, true
		}
	}
	if !found {
		return first
	}
	d.seq, d.tail = 0, 0
	return d.replay()
}

// CatchUp reads what other processes have recorded. gen and seq are what the volatile header says
// is in force.
func (d *Durable) CatchUp(gen, seq uint64) error {
	if gen != d.gen {
		return d.reload()
	}
	if seq != d.seq {
		return d.replay()
	}
	return nil
}

// replay applies the records from tail on. The first that does not check is where the log ends:
// the log is zeroed at creation, and records of an earlier image bear its generation.
func (d *Durable) replay() error {
	log := make([]byte, d.lay.LogSize-d.tail)
	if len(log) == 0 {
		return nil
	}
	if _, err := d.f.ReadAt(log, d.lay.LogOff+d.tail); err != nil {
		return fmt.Errorf("%w: read log: %w", ErrDamaged, err)
	}
	for {
		rec, ok := d.record(log)
		if !ok {
			return nil
		}
		if err := d.apply(rec); err != nil {
			return err
		}
		log = log[len(rec):]
		d.tail += int64(len(rec))
		d.seq++
	}
}

// record returns the first record of log, when it is one of this image with the next number.
func (d *Durable) record(log []byte) ([]byte, bool) {
	if len(log) < recData {
		return nil, false
	}
	le := binary.LittleEndian
	n := uint64(le.Uint32(log[recLen:]))
	if n < recData || n%8 != 0 || n > uint64(len(log)) || le.Uint64(log[recSeq:]) != d.seq {
		return nil, false
	}
	rec := log[:n]
	return rec, d.checksum(rec) == le.Uint32(rec[recCRC:])
}

// checksum of a record is seeded, so that one of another clone, image or place never checks.
func (d *Durable) checksum(rec []byte) uint32 {
	var seed [32]byte
	copy(seed[:], d.uuid[:])
	binary.LittleEndian.PutUint64(seed[16:], d.gen)
	binary.LittleEndian.PutUint64(seed[24:], uint64(d.tail))
	return crc32.Update(crc32.Checksum(seed[:], castagnoli), castagnoli, rec[recLen:])
}

func (d *Durable) apply(rec []byte) error {
	data := rec[recData:]
	for m := range d.maps {
		n := binary.LittleEndian.Uint32(rec[recDelta+4*m:])
		if uint64(n) > uint64(len(data)) {
			return fmt.Errorf("%w: log record %d", ErrDamaged, d.seq)
		}
		if err := bitmap.ApplyDelta(d.maps[m], data[:n]); err != nil {
			return fmt.Errorf("%w: log record %d: %w", ErrDamaged, d.seq, err)
		}
		data = data[n:]
	}
	copy(d.first[:], rec[recFirst:])
	return nil
}

// Append makes durable that the maps have at least the bits of snap, and that the first bytes are
// first. The caller has synced dest since it took snap. When the log is full a new base image is
// written instead. Nothing new is nothing written.
func (d *Durable) Append(snap [NumMaps][]uint64, first [FirstBytes]byte) error {
	var next [NumMaps][]uint64
	rec := make([]byte, recData, recData+256)
	changed := first != d.first
	for m := range snap {
		next[m] = union(d.maps[m], snap[m])
		n := len(rec)
		rec = bitmap.AppendDelta(rec, d.maps[m], next[m])
		binary.LittleEndian.PutUint32(rec[recDelta+4*m:], uint32(len(rec)-n))
		changed = changed || len(rec) > n
	}
	if !changed {
		return nil
	}
	if d.tail+int64(len(rec)) > d.lay.LogSize {
		return d.rebase(next, first)
	}
	copy(rec[recFirst:], first[:])
	le := binary.LittleEndian
	le.PutUint32(rec[recLen:], uint32(len(rec)))
	le.PutUint64(rec[recSeq:], d.seq)
	le.PutUint32(rec[recCRC:], d.checksum(rec))
	if err := d.f.WriteSync(rec, d.lay.LogOff+d.tail); err != nil {
		return fmt.Errorf("append to log: %w", err)
	}
	d.maps, d.first = next, first
	d.tail += int64(len(rec))
	d.seq++
	return nil
}

// rebase starts a new generation with these maps and an empty log.
func (d *Durable) rebase(maps [NumMaps][]uint64, first [FirstBytes]byte) error {
	if err := WriteImage(d.f, d.lay, d.uuid, d.gen+1, ImageContent{Maps: maps, First: first}); err != nil {
		return err
	}
	d.gen++
	d.seq, d.tail = 0, 0
	d.maps, d.first = maps, first
	return nil
}

// Position is what goes into the volatile header for CatchUp.
func (d *Durable) Position() (gen, seq uint64) { return d.gen, d.seq }

// Maps returns what is durable. The slices must not be changed.
func (d *Durable) Maps() (maps [NumMaps][]uint64, first [FirstBytes]byte) { return d.maps, d.first }

func union(a, b []uint64) []uint64 {
	out := slices.Clone(a)
	for i := range out {
		out[i] |= b[i]
	}
	return out
}
