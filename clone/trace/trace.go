// Package trace is what a run wanted of a blob, in the order in which it first wanted it: a hint for
// the next run, which asks for all of it at once and not for one thing after another.
//
// A trace speaks of bytes and not of regions, so that it fits a clone of another region size, and is
// harmless where it is wrong: what it names beyond the end is left out, and what it names in vain
// costs the bytes. Its form is in DESIGN.md.
package trace

// Bounds of what a trace can say.
const (
	// MaxEncoded is the most that a trace takes in its encoded form, bytes.
	MaxEncoded = 64 << 10
	// MaxEnd is where the last byte of a range may lie at most.
	MaxEnd = 1 << 60
	// MaxRuns is how many runs are told apart. With more, all counts are halved.
	MaxRuns = 200
	// Unit is what ranges are rounded to, outwards, when they are encoded or merged. No region is
	// smaller.
	Unit = 512
)

// Suffix is what the name of a blob has appended where its trace lies beside it.
const Suffix = ".hydrant-trace"

// Range is a run of bytes that was wanted.
type Range struct {
	Off, Len int64
	// Seen is in how many of the trace's runs it was wanted, at least 1.
	Seen int
}

// End is the first byte behind it.
func (r Range) End() int64 { return r.Off + r.Len }

// Trace is what one run wanted, or several, first things first.
type Trace struct {
	// Size is of the blob when it was recorded, bytes, 0 when that is not known.
	Size int64
	// Runs is how many runs it was made from, at least 1.
	Runs int
	// Ranges are in the order in which they are to be asked for. Those of Merge, Tidy and Within do
	// not overlap.
	Ranges []Range
}

// Bytes is how many bytes the ranges name.
func (t *Trace) Bytes() int64 {
	sum := int64(0)
	for _, r := range t.Ranges {
		sum += r.Len
	}
	return sum
}

// Within returns t without what lies beyond size, and without what comes when its ranges have named
// most bytes. most 0 means no such bound.
func (t *Trace) Within(size, most int64) *Trace {
	out := &Trace{Size: t.Size, Runs: t.Runs}
	left := most
	for _, r := range t.Ranges {
		if r.Off >= size {
			continue
		}
		r.Len = min(r.Len, size-r.Off)
		if most > 0 {
			if left == 0 {
				break
			}
			r.Len = min(r.Len, left)
			left -= r.Len
		}
		out.Ranges = append(out.Ranges, r)
	}
	return out
}
