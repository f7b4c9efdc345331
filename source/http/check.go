package http

import (
	"fmt"
	"net/http"
	"strings"
	"time"

	"hydrant/source"
	"hydrant/source/internal/answer"
)

// check compares the head of an answer with what was asked. Some servers ignore conditions.
func check(resp *http.Response, id source.Identity, off, n int64) error {
	if resp.StatusCode == http.StatusRequestedRangeNotSatisfiable {
		return fmt.Errorf("%w: it is shorter now", source.ErrChanged)
	}
	// A server without ranges that has another version by now is first of all changed.
	if resp.StatusCode == http.StatusOK {
		if now, err := identity(resp.Header, id.Size); err == nil && now != id {
			return source.ErrChanged
		}
	}
	r, err := rangeOf(resp)
	if err != nil {
		return err
	}
	now, err := identity(resp.Header, r.Size)
	if err != nil {
		return err
	}
	if now.Tag != id.Tag {
		return source.ErrChanged
	}
	return r.Exactly(off, n, id.Size)
}

// rangeOf returns the range that an answer holds. Anything but a 206 of plain bytes is an error.
func rangeOf(resp *http.Response) (answer.ContentRange, error) {
	if err := answer.Status(resp.StatusCode, resp.Header, time.Now()); err != nil {
		return answer.ContentRange{}, err
	}
	if resp.StatusCode == http.StatusOK {
		return answer.ContentRange{}, source.ErrNoRanges
	}
	if resp.StatusCode != http.StatusPartialContent {
		return answer.ContentRange{}, source.BadAnswer("status %d to a request for a range", resp.StatusCode)
	}
	if e := resp.Header.Get("Content-Encoding"); e != "" && !strings.EqualFold(e, "identity") {
		return answer.ContentRange{}, source.BadAnswer("the bytes are encoded as %s", answer.Quote(e))
	}
	return answer.ParseContentRange(resp.Header.Get("Content-Range"))
}
