package state

import (
	"bytes"
	"errors"
	"testing"
)

func FuzzDecodeSuperblock(f *testing.F) {
	b, _ := someSuperblock().Encode()
	f.Add(b)
	f.Add(b[:100])
	f.Add(bytes.Repeat([]byte{0xff}, block))
	f.Fuzz(func(t *testing.T, b []byte) {
		for range 2 {
			s, err := DecodeSuperblock(b)
			if err != nil && !errors.Is(err, ErrDamaged) && !errors.Is(err, ErrFuture) {
				t.Errorf("%v", err)
			}
			if err == nil {
				again, err := s.Encode()
				if err != nil {
					t.Fatalf("%+v can be read and not written: %v", s, err)
				}
				if s2, err := DecodeSuperblock(again); err != nil || *s2 != *s {
					t.Errorf("%+v became %+v, %v", s, s2, err)
				}
			}
			if len(b) < block {
				return
			}
			// Past the checksum there is more to get wrong.
			b = bytes.Clone(b[:block])
			copy(b, SuperMagic)
			b[sbVers], b[sbVers+1], b[sbVers+2], b[sbVers+3] = Version, 0, 0, 0
			resum(b)
		}
	})
}

// FuzzDurable reads images and a log of arbitrary bytes.
func FuzzDurable(f *testing.F) {
	sb := someSuperblock()
	sb.UUID = testUUID
	store := &MemoryStore{}
	if err := store.Create(func(f File) error { return Format(f, sb) }); err != nil {
		f.Fatal(err)
	}
	lay, err := NewLayout(sb.Size, sb.RegionSize)
	if err != nil {
		f.Fatal(err)
	}
	file, _ := store.Open()
	d, err := OpenDurable(file, lay, testUUID)
	if err != nil {
		f.Fatal(err)
	}
	for i := range 3 {
		if err := d.Append(snap(lay, i, -i-1), [FirstBytes]byte{byte(i)}); err != nil {
			f.Fatal(err)
		}
	}
	whole := store.Image()
	image := whole[lay.ImageOff[0]:][:lay.ImageSize]
	log := whole[lay.LogOff:][:512]
	f.Add(image, log, true)
	f.Add(image[:100], log, false)
	f.Add(image, log[:60], true)
	f.Add([]byte{}, bytes.Repeat([]byte{0xff}, 200), false)
	f.Fuzz(func(t *testing.T, image, log []byte, sum bool) {
		img := bytes.Clone(whole)
		copy(img[lay.ImageOff[0]:][:lay.ImageSize], image)
		copy(img[lay.LogOff:], log)
		if sum && len(log) >= recData { // let the first record pass its checksum
			rec := img[lay.LogOff:]
			n := min(uint32(rec[recLen])|uint32(rec[recLen+1])<<8, uint32(lay.LogSize))
			if n >= recData {
				seed := Durable{uuid: testUUID}
				c := seed.checksum(rec[:n])
				for i := range 4 {
					rec[recCRC+i] = byte(c >> (8 * i))
				}
			}
		}
		var s MemoryStore
		s.SetImage(img)
		file, err := s.Open()
		if err != nil {
			t.Fatal(err)
		}
		d, err := OpenDurable(file, lay, testUUID)
		if err != nil {
			if !errors.Is(err, ErrDamaged) {
				t.Error(err)
			}
			return
		}
		// What was read can be gone on from.
		if err := d.Append(snap(lay, 9), [FirstBytes]byte{77}); err != nil {
			t.Fatal(err)
		}
		again, err := OpenDurable(file, lay, testUUID)
		if err != nil {
			t.Fatal(err)
		}
		maps, first := again.Maps()
		if maps[Hydrated][0]>>9&1 == 0 || first[0] != 77 {
			t.Error("what was appended is not read again")
		}
	})
}
