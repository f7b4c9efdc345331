package clone

import "bytes"

// model is what a clone has to behave like: a plain array of bytes, and what of its past a power
// loss may bring back.
//
//   - a read returns cur;
//   - after kill -9 the clone reads as cur (I5);
//   - after power loss each byte is one that stood there at the last sync or since (I1, I2, I3),
//     and the size between the sizes since;
//   - whole, dest is cur (I7), and nothing was fetched twice (I8).
type model struct {
	cur   []byte
	past  [][]byte // since and including the last sync
	maybe []byte   // what it was before a change that failed, or was cut off, somewhere
}

// isNow tells whether got is what a read returns: cur, or where a change was cut off, byte by byte,
// what was before.
func (m *model) isNow(got []byte) (int, bool) {
	if m.maybe == nil {
		i := differ(got, m.cur)
		return i, i < 0
	}
	if n := len(got); n < min(len(m.cur), len(m.maybe)) || n > max(len(m.cur), len(m.maybe)) {
		return n, false
	}
	for i, b := range got {
		if (i >= len(m.cur) || m.cur[i] != b) && (i >= len(m.maybe) || m.maybe[i] != b) && (b != 0 || i < min(len(m.cur), len(m.maybe))) {
			return i, false
		}
	}
	return 0, true
}

func (m *model) synced()  { m.past = [][]byte{bytes.Clone(m.cur)} }
func (m *model) changed() { m.past = append(m.past, bytes.Clone(m.cur)) }

// allows tells whether got may be what a power loss left.
func (m *model) allows(got []byte) (int, bool) {
	least, most := len(m.past[0]), 0
	for _, p := range m.past {
		least, most = min(least, len(p)), max(most, len(p))
	}
	if len(got) < least || len(got) > most {
		return len(got), false
	}
	for i, b := range got {
		ok := false
		for _, p := range m.past {
			// past a shorter state's end there is nothing, or the zeros of growing again
			ok = ok || i < len(p) && p[i] == b || i >= len(p) && b == 0
		}
		if !ok {
			return i, false
		}
	}
	return 0, true
}
