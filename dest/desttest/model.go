package desttest

import (
	"testing"

	"hydrant/dest"

	"pgregory.net/rapid"
)

// testModel does the same random operations to one destination and to a slice of bytes.
func testModel(t *testing.T, target dest.Target) {
	const room = 200 << 10
	d := create(t, target)
	puncher, canPunch := dest.As[dest.Puncher](d)
	rapid.Check(t, func(rt *rapid.T) {
		offset := rapid.Int64Range(0, room)
		length := rapid.OneOf(rapid.Int64Range(0, 64), rapid.Int64Range(0, room))
		truncate(t, d, 0)
		var model []byte
		grow := func(size int64) {
			if size > int64(len(model)) {
				model = append(model, make([]byte, size-int64(len(model)))...)
			}
		}
		rt.Repeat(map[string]func(*rapid.T){
			"write": func(rt *rapid.T) {
				off, n := offset.Draw(rt, "off"), length.Draw(rt, "n")
				if n == 0 {
					return
				}
				p := make([]byte, n)
				for i, fill := 0, rapid.Byte().Draw(rt, "fill"); i < len(p); i++ {
					p[i] = fill + byte(i%251)
				}
				write(t, d, string(p), off)
				grow(off + n)
				copy(model[off:], p)
			},
			"truncate": func(rt *rapid.T) {
				size := offset.Draw(rt, "size")
				truncate(t, d, size)
				model = model[:min(size, int64(len(model)))]
				model = append([]byte(nil), model...)
				grow(size)
			},
			"punch": func(rt *rapid.T) {
				off, n := offset.Draw(rt, "off"), length.Draw(rt, "n")
				if !canPunch || puncher.Punch(off, n) != nil {
					return
				}
				size := int64(len(model))
				clear(model[min(off, size):min(off+n, size)])
			},
			"": func(rt *rapid.T) { wantContent(t, d, string(model)) },
		})
	})
}
