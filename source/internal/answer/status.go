package answer

import (
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"hydrant/source"
)

// Status returns the error that the status of an answer means, nil for 2xx. now is for a
// Retry-After that is a date.
func Status(code int, header http.Header, now time.Time) error {
	said := strings.ToLower(strings.TrimSpace(fmt.Sprintf("status %d %s", code, http.StatusText(code))))
	switch code {
	case http.StatusUnauthorized, http.StatusForbidden, http.StatusProxyAuthRequired:
		return fmt.Errorf("%w: %s", source.ErrDenied, said)
	case http.StatusNotFound, http.StatusGone:
		return fmt.Errorf("%w: %s", source.ErrNotFound, said)
	case http.StatusPreconditionFailed:
		return source.ErrChanged
	case http.StatusTooManyRequests, http.StatusServiceUnavailable:
		return source.ThrottledFor(fmt.Errorf("asked too often: %s", said), RetryAfter(header, now))
	case http.StatusRequestTimeout, http.StatusTooEarly, http.StatusMisdirectedRequest:
		return source.WithKind(fmt.Errorf("%s", said), source.Transient)
	case http.StatusNotImplemented, http.StatusHTTPVersionNotSupported:
		return source.BadAnswer("%s", said)
	}
	switch {
	case code >= 500:
		return source.WithKind(fmt.Errorf("%s", said), source.Transient)
	case code >= 200 && code < 300:
		return nil
	}
	return source.BadAnswer("%s", said)
}

// maxRetryAfter bounds what a server may advise.
const maxRetryAfter = time.Hour

// RetryAfter reads the header of that name (RFC 9110, 10.2.3): seconds or a date. 0 means that
// there is no usable advice; no advice is longer than an hour.
func RetryAfter(header http.Header, now time.Time) time.Duration {
	s := strings.TrimSpace(header.Get("Retry-After"))
	var wait time.Duration
	if sec, err := strconv.ParseUint(s, 10, 32); err == nil {
		wait = time.Duration(sec) * time.Second
	} else if at, err := http.ParseTime(s); err == nil {
		wait = at.Sub(now)
	}
	return min(max(wait, 0), maxRetryAfter)
}
