package state

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"

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
	maps  [NumMaps]sparse
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

// ImageContent is what a base image holds. A map that is nil has no bit set.
type ImageContent struct {
	Maps  [NumMaps][]uint64
	First [FirstBytes]byte
}

// WriteImage writes base image gen of the clone uuid, durably: first the maps, then the header
// block that makes them count.
func WriteImage(f File, lay Layout, uuid [16]byte, gen uint64, c ImageContent) error {
	return writeImage(f.WriteSync, lay, uuid, gen, c.First, func(m Map, i int) uint64 {
		if c.Maps[m] == nil {
			return 0
		}
		return c.Maps[m][i]
	})
}

// imagePiece bounds what of an image is in memory at once, in bytes.
const imagePiece = 1 << 20

// writer writes p at off. Whether that is durable is up to it.
type writer func(p []byte, off int64) error

func writeImage(write writer, lay Layout, uuid [16]byte, gen uint64, first [FirstBytes]byte, word func(m Map, i int) uint64) error {
	off := lay.ImageOff[gen%2]
	sum := uint32(0)
	total := lay.Words * int(NumMaps)
	data := make([]byte, 0, min(total*8, imagePiece))
	for k, at := 0, off+block; k < total; {
		for data = data[:0]; k < total && len(data) < imagePiece; k++ {
			data = binary.LittleEndian.AppendUint64(data, word(Map(k/lay.Words), k%lay.Words))
		}
		sum = crc32.Update(sum, castagnoli, data)
		if err := write(data, at); err != nil {
			return fmt.Errorf("write base image: %w", err)
		}
		at += int64(len(data))
	}
	h := make([]byte, block)
	le := binary.LittleEndian
	copy(h[biMagic:], imageMagic)
	le.PutUint32(h[biVers:], Version)
	le.PutUint64(h[biGen:], gen)
	copy(h[biUUID:], uuid[:])
	le.PutUint64(h[biWords:], uint64(lay.Words))
	le.PutUint32(h[biSum:], sum)
	copy(h[biFirst:], first[:])
	le.PutUint32(h[biCRC:], crc32.Checksum(h[:biEnd], castagnoli))
	if err := write(h, off); err != nil {
		return fmt.Errorf("write base image: %w", err)
	}
	return nil
}

// readImage reads the image in slot i; ErrDamaged when it is not whole, which is what a crash in
// WriteImage leaves in the older slot.
func readImage(f File, lay Layout, uuid [16]byte, i int) (gen uint64, maps [NumMaps]sparse, first [FirstBytes]byte, err error) {
	broken := func(format string, args ...any) (uint64, [NumMaps]sparse, [FirstBytes]byte, error) {
		return 0, maps, first, fmt.Errorf("%w: "+format, append([]any{ErrDamaged}, args...)...)
	}
	off := lay.ImageOff[i]
	h := make([]byte, block)
	if _, err := f.ReadAt(h, off); err != nil {
		return broken("read base image: %w", err)
	}
	le := binary.LittleEndian
	sum := le.Uint32(h[biCRC:]) // of the header
	le.PutUint32(h[biCRC:], 0)
	gen = le.Uint64(h[biGen:])
	if string(h[:len(imageMagic)]) != imageMagic || crc32.Checksum(h[:biEnd], castagnoli) != sum ||
		[16]byte(h[biUUID:biUUID+16]) != uuid || le.Uint64(h[biWords:]) != uint64(lay.Words) || gen%2 != uint64(i) {
		return broken("base image header")
	}
	for m := range maps {
		maps[m] = newSparse(lay.Words)
	}
	total := lay.Words * int(NumMaps)
	data := make([]byte, min(total*8, imagePiece))
	mapsSum := uint32(0)
	for k, at := 0, off+block; k < total; {
		data = data[:min(len(data), (total-k)*8)]
		if _, err := f.ReadAt(data, at); err != nil {
			return broken("read base image: %w", err)
		}
		mapsSum = crc32.Update(mapsSum, castagnoli, data)
		for b := data; len(b) > 0; b = b[8:] {
			words, i := &maps[k/lay.Words], k%lay.Words
			words.set(i, le.Uint64(b))
			if k++; k%partWords == 0 {
				words.tidy(max(i-2*partWords, 0), i+1)
			}
		}
		at += int64(len(data))
	}
	if mapsSum != le.Uint32(h[biSum:]) {
		return broken("base image checksum")
	}
	copy(first[:], h[biFirst:])
	return gen, maps, first, nil
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
	var failed error
	found := false
	for i := range d.lay.ImageOff {
		gen, maps, first, err := readImage(d.f, d.lay, d.uuid, i)
		if err != nil {
			failed = cmpErr(failed, err)
			continue
		}
		if !found || gen > d.gen {
			d.gen, d.maps, d.first, found = gen, maps, first, true
		}
	}
	if !found {
		return failed
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
		words := &d.maps[m]
		if err := bitmap.EachDelta(words.n, data[:n], func(i int, xor uint64) { words.set(i, words.word(i)^xor) }); err != nil {
			return fmt.Errorf("%w: log record %d: %w", ErrDamaged, d.seq, err)
		}
		if n > 0 {
			words.tidy(0, words.n)
		}
		data = data[n:]
	}
	copy(d.first[:], rec[recFirst:])
	return nil
}

// News is what of the volatile maps was not durable at some moment.
type News [NumMaps][]newBits

type newBits struct {
	word int
	bits uint64
}

// add notes the bits of word i of m that d has not.
func (n *News) add(d *Durable, m Map, i int, word uint64) {
	if bits := word &^ d.maps[m].word(i); bits != 0 {
		n[m] = append(n[m], newBits{i, bits})
	}
}

// Append is Add of what whole maps have and d has not.
func (d *Durable) Append(snap [NumMaps][]uint64, first [FirstBytes]byte) error {
	return d.Add(d.newsOf(snap), first)
}

func (d *Durable) newsOf(snap [NumMaps][]uint64) (news News) {
	for m := range snap {
		for i, w := range snap[m] {
			news.add(d, Map(m), i, w)
		}
	}
	return news
}

// Add makes durable that the maps have at least the bits of news, and that the first bytes are first.
// The caller has synced dest since it took news. When the log is full a new base image is written
// instead. Nothing new is nothing written.
func (d *Durable) Add(news News, first [FirstBytes]byte) error {
	rec := make([]byte, recData, recData+256)
	changed := first != d.first
	for m := range news {
		n := len(rec)
		delta := bitmap.DeltaWriter{B: rec}
		for _, b := range news[m] {
			delta.Add(b.word, b.bits&^d.maps[m].word(b.word))
		}
		rec = delta.B
		binary.LittleEndian.PutUint32(rec[recDelta+4*m:], uint32(len(rec)-n))
		changed = changed || len(rec) > n
	}
	if !changed {
		return nil
	}
	if d.tail+int64(len(rec)) > d.lay.LogSize {
		return d.rebase(news, first)
	}
	copy(rec[recFirst:], first[:])
	le := binary.LittleEndian
	le.PutUint32(rec[recLen:], uint32(len(rec)))
	le.PutUint64(rec[recSeq:], d.seq)
	le.PutUint32(rec[recCRC:], d.checksum(rec))
	if err := d.f.WriteSync(rec, d.lay.LogOff+d.tail); err != nil {
		return fmt.Errorf("append to log: %w", err)
	}
	d.gain(news)
	d.first = first
	d.tail += int64(len(rec))
	d.seq++
	return nil
}

func (d *Durable) gain(news News) {
	for m := range news {
		words := &d.maps[m]
		for _, b := range news[m] {
			words.set(b.word, words.word(b.word)|b.bits)
		}
		if n := len(news[m]); n > 0 {
			words.tidy(news[m][0].word, news[m][n-1].word+1)
		}
	}
}

// rebase starts a new generation with the maps and news, and an empty log.
func (d *Durable) rebase(news News, first [FirstBytes]byte) error {
	var at [NumMaps]int // words are asked for in order
	err := writeImage(d.f.WriteSync, d.lay, d.uuid, d.gen+1, first, func(m Map, i int) uint64 {
		w := d.maps[m].word(i)
		if k := at[m]; k < len(news[m]) && news[m][k].word == i {
			w |= news[m][k].bits
			at[m]++
		}
		return w
	})
	if err != nil {
		return err
	}
	d.gen++
	d.seq, d.tail = 0, 0
	d.gain(news)
	d.first = first
	return nil
}

// Renew writes what is durable once more, as a new base image with an empty log: what was read may
// have been in memory only.
func (d *Durable) Renew() error { return d.rebase(News{}, d.first) }

// Position is what goes into the volatile header for CatchUp.
func (d *Durable) Position() (gen, seq uint64) { return d.gen, d.seq }

// Maps returns a copy of what is durable.
func (d *Durable) Maps() (maps [NumMaps][]uint64, first [FirstBytes]byte) {
	for m := range maps {
		maps[m] = d.maps[m].all()
	}
	return maps, d.first
}

// Word is word i of map m.
func (d *Durable) Word(m Map, i int) uint64 { return d.maps[m].word(i) }

// First is what the first bytes are.
func (d *Durable) First() [FirstBytes]byte { return d.first }
