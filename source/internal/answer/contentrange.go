package answer

import (
	"fmt"
	"strconv"
	"strings"

	"hydrant/source"
)

// ContentRange is the answered range [Off, Off+Len) of a blob of Size bytes. Len > 0 and the
// range lies inside the blob.
type ContentRange struct {
	Off, Len, Size int64
}

// ParseContentRange reads a Content-Range header (RFC 9110, 14.4) as it stands in a 206. Other
// units, an unsatisfied range and an unknown size are refused: a clone can do nothing with them.
func ParseContentRange(s string) (ContentRange, error) {
	rest, ok := cutUnit(s)
	span, size, ok1 := strings.Cut(rest, "/")
	first, last, ok2 := strings.Cut(span, "-")
	if !ok || !ok1 || !ok2 {
		return ContentRange{}, source.BadAnswer("Content-Range %s", Quote(s))
	}
	a, ok := number(first)
	b, ok1 := number(last)
	n, ok2 := number(size)
	if !ok || !ok1 || !ok2 || a > b || b >= n {
		return ContentRange{}, source.BadAnswer("Content-Range %s", Quote(s))
	}
	return ContentRange{Off: a, Len: b - a + 1, Size: n}, nil
}

// cutUnit cuts off the unit, whose name is not case-sensitive.
func cutUnit(s string) (string, bool) {
	const unit = "bytes "
	if len(s) < len(unit) || !strings.EqualFold(s[:len(unit)], unit) {
		return "", false
	}
	return strings.TrimLeft(s[len(unit):], " "), true
}

// number reads digits and nothing else: no sign, no space.
func number(s string) (int64, bool) {
	n, err := strconv.ParseUint(s, 10, 63)
	return int64(n), err == nil
}

// First checks the answer to a request for the first n bytes of a blob not known yet.
func (r ContentRange) First(n int64) error {
	if r.Off != 0 || r.Len != min(n, r.Size) {
		return source.BadAnswer("asked for the first %d bytes, got %s", n, r)
	}
	return nil
}

// Exactly checks the answer to a request for [off, off+n) of a blob of that size.
func (r ContentRange) Exactly(off, n, size int64) error {
	if r.Size != size {
		return fmt.Errorf("%w: its size was %d bytes and is %d", source.ErrChanged, size, r.Size)
	}
	if r.Off != off || r.Len != n {
		return source.BadAnswer("asked for %d bytes at %d, got %s", n, off, r)
	}
	return nil
}

func (r ContentRange) String() string {
	return fmt.Sprintf("%d bytes at %d of %d", r.Len, r.Off, r.Size)
}

// RangeHeader is the Range header for [off, off+n), n > 0.
func RangeHeader(off, n int64) string { return fmt.Sprintf("bytes=%d-%d", off, off+n-1) }
