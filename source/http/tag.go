package http

import (
	"net/http"
	"strings"

	"hydrant/source"
	"hydrant/source/internal/answer"
)

// modified begins a tag that is a date. ETags begin with a quote.
const modified = "last-modified: "

// identity reads the name of a version out of the head of an answer: a strong ETag, else the date
// of the last change. A date is one second wide, so that two versions made in the same second and
// of the same size are taken for one; there is nothing better then. A weak ETag promises nothing
// about bytes.
func identity(h http.Header, size int64) (source.Identity, error) {
	tag := h.Get("ETag")
	if !isStrong(tag) {
		tag = modified + h.Get("Last-Modified")
		if _, err := http.ParseTime(h.Get("Last-Modified")); err != nil {
			return source.Identity{}, source.BadAnswer("neither a strong ETag nor a Last-Modified date: a change of the blob could not be noticed")
		}
	}
	if len(tag) > source.MaxTag {
		return source.Identity{}, source.BadAnswer("ETag of %d bytes: %s", len(tag), answer.Quote(tag))
	}
	return source.Identity{Size: size, Tag: tag}, nil
}

// isStrong says whether s is a strong entity tag (RFC 9110, 8.8.3).
func isStrong(s string) bool {
	if len(s) < 2 || s[0] != '"' || s[len(s)-1] != '"' {
		return false
	}
	for _, c := range []byte(s[1 : len(s)-1]) {
		if c == '"' || c <= ' ' || c == 0x7f {
			return false
		}
	}
	return true
}

// setCondition makes a request fail with 412 when the blob is another version.
func setCondition(h http.Header, tag string) error {
	if date, ok := strings.CutPrefix(tag, modified); ok {
		h.Set("If-Unmodified-Since", date)
		return nil
	}
	if !isStrong(tag) {
		return source.BadAnswer("%s does not name a version of this kind of source", answer.Quote(tag))
	}
	h.Set("If-Match", tag)
	return nil
}
