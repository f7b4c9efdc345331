package state

import (
	"bytes"
	"errors"
	"runtime"
	"slices"
	"syscall"
	"testing"

	"pgregory.net/rapid"
)

var testUUID = [16]byte{1, 2, 3, 15: 16}

// durableFile is a file with an empty image 0 of a clone of so many regions.
func durableFile(t testing.TB, regions int64) (File, Layout) {
	t.Helper()
	sb := someSuperblock()
	sb.UUID, sb.Size, sb.First = testUUID, regions*512, [FirstBytes]byte{}
	f := newFile(t, sb)
	lay, err := NewLayout(sb.Size, 512)
	if err != nil {
		t.Fatal(err)
	}
	return f, lay
}

func openDurable(t testing.TB, f File, lay Layout) *Durable {
	t.Helper()
	d, err := OpenDurable(f, lay, testUUID)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// snap has region r hydrated for each r, and with -r written.
func snap(lay Layout, regions ...int) (s [NumMaps][]uint64) {
	for m := range s {
		s[m] = make([]uint64, lay.Words)
	}
	for _, r := range regions {
		m := Hydrated
		if r < 0 {
			m, r = Written, -r
		}
		s[m][r/64] |= 1 << (r % 64)
	}
	return s
}

func mustAppend(t testing.TB, d *Durable, s [NumMaps][]uint64, first byte) {
	t.Helper()
	if err := d.Append(s, [FirstBytes]byte{first}); err != nil {
		t.Fatal(err)
	}
}

func expectMaps(t testing.TB, d *Durable, want [NumMaps][]uint64, first byte) {
	t.Helper()
	maps, got := d.Maps()
	for m := range want {
		if !slices.Equal(maps[m], want[m]) {
			t.Fatalf("map %d is %x, want %x", m, maps[m], want[m])
		}
	}
	if got[0] != first {
		t.Fatalf("first byte %d, want %d", got[0], first)
	}
}

func TestAppendedIsReadAgain(t *testing.T) {
	f, lay := durableFile(t, 1000)
	d := openDurable(t, f, lay)
	expectMaps(t, d, snap(lay), 0)
	mustAppend(t, d, snap(lay, 1, 2, 999), 1)
	mustAppend(t, d, snap(lay, 500, -3), 1)
	mustAppend(t, d, snap(lay), 2) // only the first bytes changed
	want := snap(lay, 1, 2, 999, 500, -3)
	expectMaps(t, d, want, 2)
	expectMaps(t, openDurable(t, f, lay), want, 2)
}

func TestNothingNewIsNothingWritten(t *testing.T) {
	f, lay := durableFile(t, 1000)
	d := openDurable(t, f, lay)
	mustAppend(t, d, snap(lay, 1, 2), 1)
	gen, seq := d.Position()
	mustAppend(t, d, snap(lay, 1, 2), 1)
	mustAppend(t, d, snap(lay, 2), 1) // a copy from before the last commit takes nothing back
	if g, s := d.Position(); g != gen || s != seq {
		t.Errorf("position %d/%d, was %d/%d", g, s, gen, seq)
	}
	expectMaps(t, openDurable(t, f, lay), snap(lay, 1, 2), 1)
}

// Whatever part of a record a crash leaves written, the log ends before it or behind it.
func TestTornRecordEndsTheLog(t *testing.T) {
	f, lay := durableFile(t, 1000)
	d := openDurable(t, f, lay)
	mustAppend(t, d, snap(lay, 1), 1)
	at := lay.LogOff + d.tail
	mustAppend(t, d, snap(lay, 2, 300, 301, 999, -7), 2)
	whole := make([]byte, lay.LogOff+d.tail-at)
	f.ReadAt(whole, at)
	for _, rest := range []byte{0, 0xff, 0x5a} {
		for n := range whole {
			f.WriteAt(bytes.Repeat([]byte{rest}, len(whole)), at)
			f.WriteAt(whole[:n], at)
			got := openDurable(t, f, lay)
			if _, seq := got.Position(); seq == 2 && rest == 0 && bytes.Trim(whole[n:], "\x00") == nil || seq == 2 && rest != 0 && n == len(whole) {
				continue
			}
			expectMaps(t, got, snap(lay, 1), 1)
			// and goes on from there
			mustAppend(t, got, snap(lay, 4), 3)
			expectMaps(t, openDurable(t, f, lay), snap(lay, 1, 4), 3)
		}
	}
}

func TestFullLogBecomesANewImage(t *testing.T) {
	f, lay := durableFile(t, 100_000)
	d := openDurable(t, f, lay)
	var all []int
	gens := map[uint64]bool{}
	for i := range 3000 {
		r := i * 31 % 100_000
		all = append(all, r)
		// Words far apart make long records.
		s := snap(lay, r, (r+30_000)%100_000, (r+60_000)%100_000)
		all = append(all, (r+30_000)%100_000, (r+60_000)%100_000)
		mustAppend(t, d, s, byte(i))
		gen, _ := d.Position()
		gens[gen] = true
	}
	if len(gens) < 3 {
		t.Fatalf("%d images: the test shows nothing", len(gens))
	}
	expectMaps(t, openDurable(t, f, lay), snap(lay, all...), 2999%256)
}

// The records in the log belong to the image they were appended to, and to no other: neither to a
// later one nor, when that is torn, again to the earlier.
func TestRecordsOfAnOlderImageAreNotReplayed(t *testing.T) {
	f, lay := durableFile(t, 1000)
	d := openDurable(t, f, lay)
	mustAppend(t, d, snap(lay, 1), 1)
	mustAppend(t, d, snap(lay, 2), 2)
	if err := d.rebase(News{}, [FirstBytes]byte{3}); err != nil {
		t.Fatal(err)
	}
	expectMaps(t, openDurable(t, f, lay), snap(lay, 1, 2), 3)
	mustAppend(t, d, snap(lay, 5), 4) // in the place of the first
	expectMaps(t, openDurable(t, f, lay), snap(lay, 1, 2, 5), 4)

	// Another clone's log is not replayed either.
	other := testUUID
	other[0]++
	if _, err := OpenDurable(f, lay, other); !errors.Is(err, ErrDamaged) {
		t.Errorf("opened with another uuid: %v", err)
	}
}

// A crash while an image is written leaves the one before, with its log.
func TestTornImageLeavesTheOneBefore(t *testing.T) {
	f, lay := durableFile(t, 100_000)
	d := openDurable(t, f, lay)
	mustAppend(t, d, snap(lay, 1, 70_000), 1)
	size := lay.ImageSize
	was, now := make([]byte, size), make([]byte, size)
	f.ReadAt(was, lay.ImageOff[1])
	if err := d.rebase(d.newsOf(snap(lay, 1, 70_000, 9)), [FirstBytes]byte{9}); err != nil {
		t.Fatal(err)
	}
	f.ReadAt(now, lay.ImageOff[1])
	for n := int64(0); n < size; n += 512 {
		// The maps are durable before the header is written; in between, any part of the maps.
		f.WriteAt(was, lay.ImageOff[1])
		f.WriteAt(now[block:block+min(n, size-block)], lay.ImageOff[1]+block)
		expectMaps(t, openDurable(t, f, lay), snap(lay, 1, 70_000), 1)
	}
	for n := int64(0); n < biEnd; n++ {
		f.WriteAt(now, lay.ImageOff[1])
		f.WriteAt(was[:block], lay.ImageOff[1])
		f.WriteAt(now[:n], lay.ImageOff[1])
		got := openDurable(t, f, lay)
		if gen, _ := got.Position(); gen == 0 {
			expectMaps(t, got, snap(lay, 1, 70_000), 1)
		}
	}
	f.WriteAt(now, lay.ImageOff[1])
	expectMaps(t, openDurable(t, f, lay), snap(lay, 1, 70_000, 9), 9)
	// both damaged
	f.WriteAt([]byte("x"), lay.ImageOff[0]+block)
	f.WriteAt([]byte("x"), lay.ImageOff[1]+block)
	if _, err := OpenDurable(f, lay, testUUID); !errors.Is(err, ErrDamaged) {
		t.Errorf("both images damaged: %v", err)
	}
}

// Several processes append in turn, any of them dies at any time; whoever opens the file finds what
// all of them were told is durable.
func TestAppendersTakeTurns(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		regions := rapid.SampledFrom([]int64{1, 64, 65, 40_000}).Draw(t, "regions")
		sb := someSuperblock()
		sb.UUID, sb.Size, sb.First = testUUID, regions*512, [FirstBytes]byte{}
		store := &MemoryStore{}
		if err := store.Create(func(f File) error { return Format(f, sb) }); err != nil {
			t.Fatal(err)
		}
		f, _ := store.Open()
		lay, _ := NewLayout(sb.Size, 512)
		// what the volatile header says
		var gen, seq uint64
		join := func() *Durable {
			d, err := OpenDurable(f, lay, testUUID)
			if err != nil {
				t.Fatal(err)
			}
			gen, seq = d.Position() // as the engine does when it joins
			return d
		}
		procs := []*Durable{join(), join(), join()}
		want := snap(lay)
		for range rapid.IntRange(1, 60).Draw(t, "steps") {
			p := rapid.IntRange(0, 2).Draw(t, "process")
			switch rapid.SampledFrom([]string{"append", "append", "append", "die", "die before saying"}).Draw(t, "do") {
			case "die":
				procs[p] = join()
				continue
			case "die before saying":
				if err := procs[p].CatchUp(gen, seq); err != nil {
					t.Fatal(err)
				}
				r := rapid.IntRange(0, int(regions)-1).Draw(t, "region")
				if err := procs[p].Append(snap(lay, r), [FirstBytes]byte{}); err != nil {
					t.Fatal(err)
				}
				if rapid.Bool().Draw(t, "joins") {
					procs[p] = join()
				} else {
					procs[p], _ = OpenDurable(f, lay, testUUID)
					gen, seq = procs[p].Position()
				}
				maps, _ := procs[p].Maps()
				for m := range want {
					want[m] = union(want[m], maps[m])
				}
				continue
			}
			s := snap(lay)
			for m := range s {
				for range rapid.IntRange(0, 40).Draw(t, "bits") {
					r := rapid.IntRange(0, int(regions)-1).Draw(t, "region")
					s[m][r/64] |= 1 << (r % 64)
				}
				want[m] = union(want[m], s[m])
			}
			if err := procs[p].CatchUp(gen, seq); err != nil {
				t.Fatal(err)
			}
			if err := procs[p].Append(s, [FirstBytes]byte{}); err != nil {
				t.Fatal(err)
			}
			gen, seq = procs[p].Position()
			d, err := OpenDurable(f, lay, testUUID)
			if err != nil {
				t.Fatal(err)
			}
			maps, _ := d.Maps()
			for m := range want {
				if !slices.Equal(maps[m], want[m]) {
					t.Fatalf("map %d is %x, want %x", m, maps[m], want[m])
				}
			}
		}
	})
}

// failing fails its durable writes, in the middle when half is set.
type failing struct {
	File
	half bool
}

func (f *failing) WriteSync(p []byte, off int64) error {
	if f.half {
		f.File.WriteSync(p[:len(p)/2], off)
	}
	return syscall.EIO
}

func TestAppendThatFailsAppendsNothing(t *testing.T) {
	for _, half := range []bool{false, true} {
		f, lay := durableFile(t, 1000)
		d := openDurable(t, f, lay)
		mustAppend(t, d, snap(lay, 1), 1)
		d.f = &failing{f, half}
		if err := d.Append(snap(lay, 2, 900), [FirstBytes]byte{2}); !errors.Is(err, syscall.EIO) {
			t.Fatal(err)
		}
		if err := d.rebase(d.newsOf(snap(lay, 1, 2)), [FirstBytes]byte{2}); !errors.Is(err, syscall.EIO) {
			t.Fatal(err)
		}
		expectMaps(t, d, snap(lay, 1), 1)
		expectMaps(t, openDurable(t, f, lay), snap(lay, 1), 1)
		d.f = f
		mustAppend(t, d, snap(lay, 3), 3)
		expectMaps(t, openDurable(t, f, lay), snap(lay, 1, 3), 3)
	}
}

// A volatile part with bits past the end is damage that an attach does not fall over.
func TestStrayBitsPastTheEndAreDropped(t *testing.T) {
	f, lay := durableFile(t, 70)
	f.WriteAt([]byte{0xff}, lay.MapOff[Hydrated]+15)
	s, err := Load(f)
	if err != nil {
		t.Fatal(err)
	}
	if n := s.Maps[Hydrated].Count(); n != 0 {
		t.Errorf("%d bits", n)
	}
}

func TestResetMakesTheVolatilePartWhatIsDurable(t *testing.T) {
	f, lay := durableFile(t, 100)
	d := openDurable(t, f, lay)
	mustAppend(t, d, snap(lay, 3, -4), 5)
	s, err := Load(f)
	if err != nil {
		t.Fatal(err)
	}
	s.Maps[Hydrated].Set(10, 20)
	s.Head.Mode.Store(uint64(ReadOnly))
	s.Head.Marks.Store(7)
	s.Head.Format.Store(Version)
	s.Reset(d)
	if got := s.Snapshot(); !slices.Equal(got[Hydrated], snap(lay, 3)[Hydrated]) || !slices.Equal(got[Written], snap(lay, -4)[Written]) {
		t.Errorf("%x", got)
	}
	if s.Head.Marks.Load() != 0 || s.Head.GetFirst()[0] != 5 || s.Head.Format.Load() != 0 || s.Head.Resets.Load() != 1 {
		t.Error("the header is not as new")
	}
	if s.Head.Mode.Load() != uint64(ReadOnly) {
		t.Error("who dies now leaves a mode that it was not in")
	}
}

// An image that is written and read in pieces is the same, news included, and a piece that is not
// the one that was written makes it count for nothing.
func TestImageInPieces(t *testing.T) {
	f, lay := durableFile(t, 6_000_001)
	if lay.ImageSize < 2*imagePiece {
		t.Fatal("one piece")
	}
	d := openDurable(t, f, lay)
	mustAppend(t, d, snap(lay, 5, 2_900_000, -77), 1)
	want := snap(lay, 0, 5, 1_400_000, 2_900_000, 3_000_000, -77, -1_000_000)
	if err := d.rebase(d.newsOf(want), [FirstBytes]byte{2}); err != nil {
		t.Fatal(err)
	}
	expectMaps(t, d, want, 2)
	expectMaps(t, openDurable(t, f, lay), want, 2)
	for at := lay.ImageOff[1] + block + 100; at < lay.ImageOff[1]+block+int64(lay.Words)*8*int64(NumMaps); at += imagePiece {
		var b [1]byte
		f.ReadAt(b[:], at)
		f.WriteAt([]byte{b[0] ^ 1}, at)
		expectMaps(t, openDurable(t, f, lay), snap(lay, 5, 2_900_000, -77), 1)
		f.WriteAt(b[:], at)
	}
	expectMaps(t, openDurable(t, f, lay), want, 2)
}

func union(a, b []uint64) []uint64 {
	out := slices.Clone(a)
	for i := range out {
		out[i] |= b[i]
	}
	return out
}

// A commit costs memory for what is new, and not for how large the blob is.
func TestCommitTakesLittleMemory(t *testing.T) {
	f, lay := durableFile(t, 8_000_000)
	s, err := Load(f)
	if err != nil {
		t.Fatal(err)
	}
	d := openDurable(t, f, lay)
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	for i := range uint64(10) {
		s.Maps[Hydrated].Set(i*16384, (i+1)*16384)
		if err := d.Add(s.Since(d), [FirstBytes]byte{}); err != nil {
			t.Fatal(err)
		}
	}
	runtime.ReadMemStats(&after)
	if n := after.TotalAlloc - before.TotalAlloc; n > uint64(lay.Words*8)/3 {
		t.Errorf("ten commits took %d bytes, a map has %d", n, lay.Words*8)
	}
	for i := range lay.Words {
		if s.Maps[Hydrated].Word(i) != d.Word(Hydrated, i) {
			t.Fatalf("word %d is not what it was", i)
		}
	}
}
