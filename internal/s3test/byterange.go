package s3test

import (
	"strconv"
	"strings"
)

// byteRange is one Range header, not yet held against a size.
type byteRange struct {
	first  int64
	last   int64 // -1: to the end
	suffix int64 // the last suffix bytes; -1: first and last count
}

// parseRange understands "bytes=first-last", "bytes=first-" and "bytes=-suffix". Anything else, several ranges
// included, is not a range to S3: the whole object is served.
func parseRange(h string) (r byteRange, ok bool) {
	spec, ok := strings.CutPrefix(h, "bytes=")
	if !ok || strings.Contains(spec, ",") {
		return r, false
	}
	first, last, ok := strings.Cut(strings.TrimSpace(spec), "-")
	if !ok {
		return r, false
	}
	r = byteRange{last: -1, suffix: -1}
	if first == "" {
		r.suffix, ok = parseOffset(last)
		return r, ok
	}
	if r.first, ok = parseOffset(first); !ok {
		return r, false
	}
	if last == "" {
		return r, true
	}
	r.last, ok = parseOffset(last)
	return r, ok && r.first <= r.last
}

// parseOffset takes digits only: no sign, no space.
func parseOffset(s string) (int64, bool) {
	n, err := strconv.ParseUint(s, 10, 63)
	return int64(n), err == nil
}

// of is the part of an object of that size; false if it has none of it.
func (r byteRange) of(size int64) (off, n int64, ok bool) {
	if r.suffix >= 0 {
		n = min(r.suffix, size)
		return size - n, n, n > 0
	}
	if r.first >= size {
		return 0, 0, false
	}
	if r.last < 0 || r.last >= size {
		return r.first, size - r.first, true
	}
	return r.first, r.last - r.first + 1, true
}
