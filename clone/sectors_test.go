package clone

import (
	"fmt"
	"slices"
)

// modelMost is how long the dest of a model may become.
const modelMost = 12 << 10

// borders are where the sectors of a model begin and end: what a disk writes as one, except that the
// first 16 bytes are in the state file, and that the bytes past the source's end are no region's.
func borders(size int) []int {
	b := []int{0, 16, size}
	for at := 512; at <= modelMost; at += 512 {
		b = append(b, at)
	}
	slices.Sort(b)
	return slices.Compact(b)
}

// sector is what may stand in one: one of vals, or when it is mixed, in each byte that of one of them.
type sector struct {
	vals  []string
	mixed bool
}

// mostVals is how many values are kept apart.
const mostVals = 64

// with is every value after an edit of the sector that begins at lo.
func (s sector) with(e edit, lo int) sector {
	next := sector{mixed: s.mixed}
	for _, v := range s.vals {
		b := []byte(v)
		from, to := max(e.lo, lo), min(e.lo+len(e.p), lo+len(b))
		copy(b[from-lo:to-lo], e.p[from-e.lo:])
		if w := string(b); !slices.Contains(next.vals, w) {
			next.vals = append(next.vals, w)
		}
	}
	return next
}

// or is either of two.
func (s sector) or(o sector) sector {
	u := sector{vals: slices.Clone(s.vals), mixed: s.mixed || o.mixed}
	for _, v := range o.vals {
		if !slices.Contains(u.vals, v) {
			u.vals = append(u.vals, v)
		}
	}
	if len(u.vals) > mostVals {
		u.mixed = true
	}
	if u.mixed {
		u.vals = columns(u.vals)
	}
	return u
}

// columns are the fewest values that have at each place the bytes that vals have there.
func columns(vals []string) []string {
	var cols [][]byte
	for i := range len(vals[0]) {
		n := 0
		var seen [256]bool
		for _, v := range vals {
			if seen[v[i]] {
				continue
			}
			seen[v[i]] = true
			if n == len(cols) {
				cols = append(cols, []byte(vals[0]))
			}
			cols[n][i] = v[i]
			n++
		}
	}
	next := make([]string, len(cols))
	for i, c := range cols {
		next[i] = string(c)
	}
	return next
}

// allows tells whether got may stand at byte at of the sector.
func (s sector) allows(got []byte, at int) bool {
	if !s.mixed {
		return slices.ContainsFunc(s.vals, func(v string) bool { return v[at:at+len(got)] == string(got) })
	}
	for i, b := range got {
		if !slices.ContainsFunc(s.vals, func(v string) bool { return v[at+i] == b }) {
			return false
		}
	}
	return true
}

// edit is one change of dest: the bytes from lo become p, and its size what size makes of it.
type edit struct {
	lo   int
	p    []byte
	size func(was int64) int64
}

func writeEdit(p []byte, off int64) edit {
	end := off + int64(len(p))
	return edit{int(off), p, func(was int64) int64 { return max(was, end) }}
}

// cutEdit leaves zeros behind the end, as growing again would.
func cutEdit(size int64) edit {
	return edit{int(size), make([]byte, modelMost-size), func(int64) int64 { return size }}
}

func zeroEdit(lo, hi int64) edit {
	return edit{int(lo), make([]byte, hi-lo), func(was int64) int64 { return was }}
}

// sizes are those between two, both included.
type sizes struct{ least, most int64 }

func (s sizes) or(o sizes) sizes { return sizes{min(s.least, o.least), max(s.most, o.most)} }
func (s sizes) with(e edit) sizes {
	return sizes{e.size(s.least), e.size(s.most)}
}

// sectors is the model of a clone: what dest may be.
type sectors struct {
	at                 []int    // borders
	now, since         []sector // what is read; what a power loss may leave of it
	older              []sector // what an adopted copy may be as well; nil: nothing
	nowSize, sinceSize sizes
}

func newSectors(content []byte) sectors {
	at := borders(len(content))
	m := sectors{at: at, now: make([]sector, len(at)-1)}
	m.settled(content)
	return m
}

// settled makes b, durable, all that may be.
func (m *sectors) settled(b []byte) {
	whole := append(slices.Clone(b), make([]byte, modelMost-len(b))...)
	for i := range m.now {
		lo, hi := m.at[i], m.at[i+1]
		m.now[i] = sector{vals: []string{string(whole[lo:hi])}}
	}
	m.nowSize = sizes{int64(len(b)), int64(len(b))}
	m.synced()
}

// synced is that a power loss leaves what is read.
func (m *sectors) synced() { m.since, m.sinceSize = slices.Clone(m.now), m.nowSize }

// found is that what is read now has been on the disk since power was lost. It may be a change that was
// not synced, and then nobody knows that region as written, also when it is synced later: a copy that is
// adopted has it from the source.
func (m *sectors) found() {
	m.older = m.olderOr(m.since)
	m.synced()
}

// copied is that what is read is what a copy that was adopted has.
func (m *sectors) copied() {
	m.lost()
	m.now, m.older = m.olderOr(m.now), nil
}

func (m *sectors) olderOr(vals []sector) []sector {
	u := slices.Clone(vals)
	for i := range m.older {
		u[i] = u[i].or(m.older[i])
	}
	return u
}

// lost is that nobody knows what is read but that a power loss might have left it.
func (m *sectors) lost() { m.now, m.nowSize = slices.Clone(m.since), m.sinceSize }

// edit does a change, which has happened for certain, or else may have happened in part, and with
// mixed in any part.
func (m *sectors) edit(e edit, certain, mixed bool) {
	for i := range m.now {
		lo, hi := m.at[i], m.at[i+1]
		if e.lo >= hi || e.lo+len(e.p) <= lo {
			continue
		}
		done := m.now[i].with(e, lo)
		if certain {
			m.now[i] = done
		} else {
			done.mixed = done.mixed || mixed
			m.now[i] = m.now[i].or(done)
		}
		done = m.since[i].with(e, lo)
		done.mixed = done.mixed || !certain && mixed
		m.since[i] = m.since[i].or(done)
		if m.older != nil {
			m.older[i] = m.older[i].or(m.older[i].with(e, lo))
		}
	}
	size := m.nowSize.with(e)
	if !certain {
		size = size.or(m.nowSize)
	}
	m.nowSize, m.sinceSize = size, m.sinceSize.or(size).or(m.sinceSize.with(e))
}

// reads tells why got cannot be what is read at off.
func (m *sectors) reads(got []byte, off int64) error {
	for i := range m.now {
		lo, hi := m.at[i], m.at[i+1]
		from, to := max(lo, int(off)), min(hi, int(off)+len(got))
		if from < to && !m.now[i].allows(got[from-int(off):to-int(off)], from-lo) {
			return fmt.Errorf("bytes %d to %d of sector %d cannot be", from, to, i)
		}
	}
	return nil
}

// is tells why got cannot be all of dest.
func (m *sectors) is(got []byte) error {
	if n := int64(len(got)); n < m.nowSize.least || n > m.nowSize.most {
		return fmt.Errorf("%d bytes, want %d to %d", n, m.nowSize.least, m.nowSize.most)
	}
	return m.reads(got, 0)
}
