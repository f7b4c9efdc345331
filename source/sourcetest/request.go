package sourcetest

import (
	"cmp"
	"slices"
)

// Request is one request as a Fake got it.
type Request struct {
	// N counts from 1, in the order of arrival.
	N int
	// Identify is set for an Identify, whose range is the first bytes.
	Identify bool
	// Beside is the suffix of what was asked for beside the blob, "" for the blob itself.
	Beside string
	// Off and Len are the range asked for, in bytes.
	Off, Len int64
	// Delivered is how many of them were read by the caller so far.
	Delivered int64
}

// ranged tells whether r is a ReadRange.
func (r Request) ranged() bool { return !r.Identify && r.Beside == "" }

// twice returns how many bytes were delivered more than once by reqs, of ranges alone.
func twice(reqs []Request) int64 {
	reqs = slices.DeleteFunc(slices.Clone(reqs), func(r Request) bool { return !r.ranged() })
	slices.SortFunc(reqs, byOffset)
	var sum, end int64
	for _, r := range reqs {
		sum += max(min(end, r.Off+r.Delivered)-r.Off, 0)
		end = max(end, r.Off+r.Delivered)
	}
	return sum
}

func byOffset(a, b Request) int { return cmp.Compare(a.Off, b.Off) }
