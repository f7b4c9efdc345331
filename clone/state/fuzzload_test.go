package state

import (
	"errors"
	"testing"
)

// FuzzLayout: whatever geometry a superblock or a server claims, offsets lie one after the other
// and nothing overflows, or it is refused.
func FuzzLayout(f *testing.F) {
	for _, size := range []int64{0, 1, 4096, 1 << 40, 1<<63 - 1, -1} {
		for _, region := range []int64{0, 512, 4096, 8 << 20, 3000} {
			f.Add(size, region)
		}
	}
	f.Fuzz(func(t *testing.T, size, region int64) {
		l, err := NewLayout(size, region)
		if err != nil {
			return
		}
		if size < 0 || region < MinRegion || region > MaxRegion || l.Regions > MaxRegions {
			t.Fatalf("%d bytes in regions of %d: %+v", size, region, l)
		}
		if n := uint64(region) * l.Regions; n < uint64(size) || n-uint64(size) >= uint64(region) {
			t.Fatalf("%d bytes in regions of %d: %d of them", size, region, l.Regions)
		}
		next := int64(mapsOff)
		follows := func(what string, off, n int64) {
			if off != next || off%block != 0 || n < 0 {
				t.Fatalf("%d bytes in regions of %d: %s of %d at %d, want %d", size, region, what, n, off, next)
			}
			next += n
		}
		for _, off := range l.MapOff {
			follows("map", off, l.MapSize)
		}
		for _, off := range l.ImageOff {
			follows("image", off, l.ImageSize)
		}
		follows("log", l.LogOff, l.LogSize)
		if l.FileSize != next || int64(l.Words)*8 > l.MapSize || 3*int64(l.Words)*8 > l.ImageSize-block {
			t.Fatalf("%d bytes in regions of %d: %+v", size, region, l)
		}
	})
}

// FuzzLoad attaches to a file whose superblock, volatile header and maps are arbitrary bytes laid
// over good ones.
func FuzzLoad(f *testing.F) {
	sb := someSuperblock()
	sb.Size, sb.RegionSize = 1000*512+1, 512
	store := &MemoryStore{}
	if err := store.Create(func(f File) error { return Format(f, sb) }); err != nil {
		f.Fatal(err)
	}
	whole := store.Image()
	f.Add([]byte{}, uint32(0), int32(0))
	f.Add([]byte{0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff}, uint32(headerOff+360), int32(0))
	f.Add([]byte{0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff}, uint32(mapsOff+8*15), int32(0))
	f.Add([]byte("hydrstat"), uint32(superB), int32(-1))
	f.Fuzz(func(t *testing.T, b []byte, at uint32, longer int32) {
		size := max(int64(len(whole))+int64(longer%200_000), 0)
		img := make([]byte, size)
		copy(img, whole)
		if int64(at) < size {
			copy(img[at:], b)
		}
		var s MemoryStore
		s.SetImage(img)
		file, err := s.Open()
		if err != nil {
			t.Fatal(err)
		}
		defer file.Close()
		st, err := Load(file)
		if err != nil {
			if !errors.Is(err, ErrDamaged) && !errors.Is(err, ErrFuture) {
				t.Error(err)
			}
			return
		}
		if size < int64(len(whole)) || size > int64(len(whole))+TraceRoom {
			t.Fatalf("a file of %d bytes was taken for one of %d", size, len(whole))
		}
		for s := range numTraces {
			ReadTrace(file, st.Layout, s)
		}
		if n := len(st.Head.GetError()); n > 512 {
			t.Errorf("an error of %d bytes", n)
		}
		for m, bits := range st.Maps {
			words := st.Words(Map(m))
			if past := words[len(words)-1] >> (st.Layout.Regions % 64); past != 0 || bits.Count() > st.Layout.Regions {
				t.Errorf("map %d has bits past its end", m)
			}
		}
		st.Head.SetError("why")
		if got := st.Head.GetError(); got != "why" {
			t.Errorf("an error is read as %q", got)
		}
	})
}
