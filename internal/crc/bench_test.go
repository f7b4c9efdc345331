package crc

import "testing"

func BenchmarkUpdate(b *testing.B) {
	p := make([]byte, 256<<10)
	for _, k := range kinds {
		b.Run(k.Name, func(b *testing.B) {
			b.SetBytes(int64(len(p)))
			for b.Loop() {
				k.Update(0, p)
			}
		})
	}
}

func BenchmarkJoin(b *testing.B) {
	for b.Loop() {
		CRC64NVME.Join(1, 2, 8<<20)
	}
}
