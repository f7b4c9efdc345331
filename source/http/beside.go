package http

import (
	"context"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"hydrant/source"
	"hydrant/source/internal/answer"
)

// ReadBeside implements source.Sidecar: the path with the suffix, under the same query. There is no
// way to write that all servers know.
func (s *Source) ReadBeside(ctx context.Context, suffix string, most int64) ([]byte, error) {
	b, err := s.readBeside(ctx, suffix, most)
	if err != nil {
		return nil, fmt.Errorf("read what lies beside %s as %s: %w", s.show, suffix, err)
	}
	return b, nil
}

func (s *Source) readBeside(ctx context.Context, suffix string, most int64) ([]byte, error) {
	req := s.life.Begin(ctx)
	defer req.End()
	resp, err := s.getURL(req, beside(s.ask, suffix), http.Header{})
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	if err := answer.Status(resp.StatusCode, resp.Header, time.Now()); err != nil {
		return nil, err
	}
	if resp.StatusCode != http.StatusOK {
		return nil, source.BadAnswer("status %d to a request for all of it", resp.StatusCode)
	}
	if e := resp.Header.Get("Content-Encoding"); e != "" && !strings.EqualFold(e, "identity") {
		return nil, source.BadAnswer("it is encoded as %s", answer.Quote(e))
	}
	b, err := source.ReadShort(resp.Body, most)
	if err != nil {
		return nil, req.Fail(err)
	}
	return b, nil
}

// beside is u with a suffix to its path.
func beside(u *url.URL, suffix string) *url.URL {
	next := *u
	next.Path += suffix
	if u.RawPath != "" {
		next.RawPath = u.RawPath + url.PathEscape(suffix)
	}
	return &next
}
