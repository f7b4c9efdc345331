package s3test

import (
	"net/http"
	"strings"
	"time"
)

// checkRead judges a GET or HEAD of o by its headers (RFC 9110 §13.2.2): If-Match outranks If-Unmodified-Since,
// If-None-Match outranks If-Modified-Since.
func checkRead(h http.Header, o *object) error {
	modified := o.modified.Truncate(time.Second)
	if m := h.Get("If-Match"); m != "" {
		if !etagIn(m, o.etag) {
			return preconditionFailed("If-Match")
		}
	} else if t, err := http.ParseTime(h.Get("If-Unmodified-Since")); err == nil && modified.After(t) {
		return preconditionFailed("If-Unmodified-Since")
	}
	if m := h.Get("If-None-Match"); m != "" {
		if etagIn(m, o.etag) {
			return errNotModified
		}
	} else if t, err := http.ParseTime(h.Get("If-Modified-Since")); err == nil && !modified.After(t) {
		return errNotModified
	}
	return nil
}

// etagIn reports whether a list of ETags, quoted or not, contains etag; * contains all.
func etagIn(list, etag string) bool {
	for one := range strings.SplitSeq(list, ",") {
		one = strings.TrimSpace(one)
		if one == "*" || strings.Trim(strings.TrimPrefix(one, "W/"), `"`) == etag {
			return true
		}
	}
	return false
}

// writeCondition is what a write demands of the object it replaces. The zero value demands nothing.
type writeCondition struct {
	match  string // If-Match: an ETag or *
	absent bool   // If-None-Match: *
}

// writeCondition reads the headers. S3 knows no If-None-Match but * for writes.
func (c *call) writeCondition() (writeCondition, error) {
	if c.plan.naive {
		return writeCondition{}, nil
	}
	none := c.r.Header.Get("If-None-Match")
	if none != "" && none != "*" {
		return writeCondition{}, fail(501, "NotImplemented", "A header you provided implies functionality that is not implemented").
			with("Header", "If-None-Match")
	}
	return writeCondition{match: c.r.Header.Get("If-Match"), absent: none == "*"}, nil
}

// check judges by the current object, nil if there is none. It runs under store.mu, which makes it atomic with the
// write.
func (w writeCondition) check(current *object, key string) error {
	switch {
	case w.absent && current != nil:
		return preconditionFailed("If-None-Match")
	case w.match != "" && current == nil:
		return noSuchKey(key)
	case w.match != "" && !etagIn(w.match, current.etag):
		return preconditionFailed("If-Match")
	}
	return nil
}
