package sqlitefile

import (
	"encoding/binary"
	"encoding/hex"
	"errors"
	"testing"
)

// front is the header of a database written by the sqlite3 shell 3.40.1: WAL, auto_vacuum, pages
// of 1024 bytes.
const front = "53514c69746520666f726d61742033000400020200402020000000030000000300000000000000000000000100000004" +
	"000000000000000300000001000000000000000000000000000000000000000000000000000000000000000000000003002e6301"

func header(t testing.TB) []byte {
	t.Helper()
	b, err := hex.DecodeString(front)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func TestDecode(t *testing.T) {
	h, err := Decode(header(t))
	if err != nil {
		t.Fatal(err)
	}
	if h.Library != 3040001 {
		t.Errorf("library %d", h.Library)
	}
	if h.PageSize != 1024 || !h.WAL() || h.ChangeCounter != 3 || h.PageCount != 3 || h.SchemaCookie != 1 || !h.AutoVacuum() {
		t.Errorf("got %+v", h)
	}
	if got := h.Pages(99 * 1024); got != 3 {
		t.Errorf("%d pages, want what the header says, 3", got)
	}
	h.ValidFor++
	if got := h.Pages(99 * 1024); got != 99 {
		t.Errorf("%d pages, want what the file has, 99", got)
	}
}

func TestPageSize(t *testing.T) {
	for raw, want := range map[uint16]int64{512: 512, 4096: 4096, 32768: 32768, 1: 65536, 0: 0, 2: 0, 256: 0, 4095: 0, 768: 0} {
		b := header(t)
		binary.BigEndian.PutUint16(b[16:], raw)
		if got := PageSize(b); got != want {
			t.Errorf("%d: got %d, want %d", raw, got, want)
		}
	}
}

func TestNotDatabase(t *testing.T) {
	b := header(t)
	other := append([]byte("x"), b...)
	for name, b := range map[string][]byte{"empty": nil, "short": b[:99], "other": other} {
		if _, err := Decode(b); !errors.Is(err, ErrNotDatabase) {
			t.Errorf("%s: got %v", name, err)
		}
		if PageSize(b) != 0 {
			t.Errorf("%s: has a page size", name)
		}
	}
}

func FuzzDecode(f *testing.F) {
	f.Add(header(f))
	f.Add([]byte(Magic))
	f.Fuzz(func(t *testing.T, b []byte) {
		h, err := Decode(b)
		if err != nil {
			return
		}
		if h.PageSize < 512 || h.PageSize > 65536 || h.PageSize&(h.PageSize-1) != 0 {
			t.Errorf("page size %d", h.PageSize)
		}
		if n := h.Pages(1 << 40); n < 0 || n > 1<<32 {
			t.Errorf("%d pages", n)
		}
	})
}

// The pages that the format reserves, as https://www.sqlite.org/fileformat2.html has them: the lock
// byte's at 1 GiB, and pointer maps at 2 and so on, one further where that is the lock byte's.
func TestReserved(t *testing.T) {
	for _, test := range []struct {
		size, usable int
		maps         bool
		reserved     []uint32
		not          []uint32
	}{
		{4096, 4096, false, []uint32{262145}, []uint32{1, 2, 822, 262144, 262146}},
		{4096, 4096, true, []uint32{2, 822, 1642, 262145}, []uint32{1, 3, 821, 823, 262144}},
		{1024, 1024, true, []uint32{2, 207, 412, 1048577, 1048578}, []uint32{1, 3, 206, 208, 1048579}},
		{512, 480, true, []uint32{2, 99, 196, 2097153}, []uint32{1, 98, 100}},
		{65536, 65536, true, []uint32{2, 13110, 16385}, []uint32{1, 3, 13109, 16384}},
	} {
		g := Geometry{PageSize: test.size, Usable: test.usable, Pages: 1 << 30, Maps: test.maps}
		for _, n := range test.reserved {
			if !g.Reserved(n) {
				t.Errorf("%+v: page %d is not reserved", g, n)
			}
		}
		for _, n := range test.not {
			if g.Reserved(n) {
				t.Errorf("%+v: page %d is reserved", g, n)
			}
		}
	}
}
