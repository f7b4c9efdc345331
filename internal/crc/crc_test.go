package crc

import (
	"testing"

	"hydrant/internal/pattern"
)

var kinds = []*Kind{CRC32, CRC32C, CRC64NVME}

// The check values of the catalogue of CRCs (CRC-32/ISO-HDLC, CRC-32/ISCSI, CRC-64/NVME).
func TestKnown(t *testing.T) {
	for k, want := range map[*Kind]uint64{CRC32: 0xcbf43926, CRC32C: 0xe3069283, CRC64NVME: 0xae8b14860a799888} {
		if got := k.Update(0, []byte("123456789")); got != want {
			t.Errorf("%s: %#x, want %#x", k.Name, got, want)
		}
	}
}

func TestJoin(t *testing.T) {
	b := pattern.Blob{Seed: 1}.Bytes(100_000)
	for _, k := range kinds {
		whole := k.Update(0, b)
		for _, cut := range []int{0, 1, 7, 8, 4096, 65536, 99_999, 100_000} {
			x, y := k.Update(0, b[:cut]), k.Update(0, b[cut:])
			if got := k.Join(x, y, int64(len(b)-cut)); got != whole {
				t.Errorf("%s, cut at %d: %#x, want %#x", k.Name, cut, got, whole)
			}
		}
	}
}

func FuzzJoin(f *testing.F) {
	f.Add([]byte("123"), []byte("456789"))
	f.Fuzz(func(t *testing.T, a, b []byte) {
		for _, k := range kinds {
			x := k.Update(0, a)
			if got, want := k.Join(x, k.Update(0, b), int64(len(b))), k.Update(x, b); got != want {
				t.Errorf("%s: %#x, want %#x", k.Name, got, want)
			}
		}
	})
}
