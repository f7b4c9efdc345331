// Package http is a source that is served over http: or https:.
//
// Any server will do that answers ranges and names versions, by a strong ETag or at least by
// Last-Modified. It is not trusted to keep to what it was asked.
package http

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"sync"
	"time"

	"hydrant/source"
	"hydrant/source/internal/answer"
)

// Options are what the caller of Open may choose. The zero value is the default.
type Options struct {
	// Connections bounds the connections to the server. 0 means no bound.
	Connections int
}

// Source is one blob on a server. Every request is a ranged GET with a condition; it is sent
// once, and package retry sends it again. Connections are shared with other Sources, unless they are
// bounded; those of the background are never used for anybody who waits.
type Source struct {
	ask    *url.URL // with credentials
	show   string   // without
	client *http.Client
	conns  *answer.Conns
	life   *answer.Life
	once   sync.Once
}

// Open opens the blob at url. It sends no request. Userinfo in the URL is sent as basic
// authentication, and shown nowhere; neither are signatures in its query.
func Open(url string, opts Options) (*Source, error) {
	ask, show, err := parse(url)
	if err != nil {
		return nil, fmt.Errorf("http address: %w", err)
	}
	if opts.Connections < 0 {
		return nil, fmt.Errorf("open %s: Connections is %d, want 0 or more", show, opts.Connections)
	}
	conns := answer.Connect("http", http.DefaultTransport.(*http.Transport).Clone(), opts.Connections, true)
	return &Source{
		ask:    ask,
		show:   show.String(),
		client: &http.Client{Transport: conns, CheckRedirect: checkRedirect},
		conns:  conns,
		life:   answer.NewLife(),
	}, nil
}

// checkRedirect follows as many redirects as net/http does by itself. A signed URL does not
// travel on as the referrer.
func checkRedirect(next *http.Request, via []*http.Request) error {
	if len(via) >= 10 {
		return errors.New("redirected too often")
	}
	next.Header.Del("Referer")
	return nil
}

// URL implements source.Source.
func (s *Source) URL() string { return s.show }

// Requests implements source.Counter. Not counted are redirects, and what net/http sends once more
// because a connection it had kept was dead.
func (s *Source) Requests() int64 { return s.life.Requests() }

// Identify implements source.Source. An empty blob may cost a second request, as no range of it
// can be asked for.
func (s *Source) Identify(ctx context.Context, n int64) (source.Identity, []byte, error) {
	id, first, err := s.identify(ctx, max(n, 1))
	if err != nil {
		return source.Identity{}, nil, fmt.Errorf("identify %s: %w", s.show, err)
	}
	return id, first[:min(int64(len(first)), max(n, 0))], nil
}

func (s *Source) identify(ctx context.Context, n int64) (source.Identity, []byte, error) {
	req := s.life.Begin(ctx)
	defer req.End()
	resp, err := s.get(req, http.Header{"Range": {answer.RangeHeader(0, n)}})
	if err != nil {
		return source.Identity{}, nil, err
	}
	defer resp.Body.Close()
	switch {
	case resp.StatusCode == http.StatusRequestedRangeNotSatisfiable:
		id, err := s.identifyEmpty(ctx)
		return id, nil, err
	case resp.StatusCode == http.StatusOK && resp.ContentLength == 0:
		id, err := identity(resp.Header, 0)
		return id, nil, err
	}
	r, err := rangeOf(resp)
	if err == nil {
		err = r.First(n)
	}
	if err != nil {
		return source.Identity{}, nil, err
	}
	id, err := identity(resp.Header, r.Size)
	if err != nil {
		return id, nil, err
	}
	body, err := answer.NewBody(req, resp.Body, resp.ContentLength, r.Len)
	if err != nil {
		return id, nil, err
	}
	first := make([]byte, r.Len)
	_, err = io.ReadFull(body, first)
	return id, first, err
}

// identifyEmpty asks for the whole of a blob that has no first byte.
func (s *Source) identifyEmpty(ctx context.Context) (source.Identity, error) {
	req := s.life.Begin(ctx)
	defer req.End()
	resp, err := s.get(req, http.Header{})
	if err != nil {
		return source.Identity{}, err
	}
	defer resp.Body.Close()
	if err := answer.Status(resp.StatusCode, resp.Header, time.Now()); err != nil {
		return source.Identity{}, err
	}
	if resp.ContentLength != 0 {
		return source.Identity{}, fmt.Errorf("%w: not even the first byte, of %d", source.ErrNoRanges, resp.ContentLength)
	}
	return identity(resp.Header, 0)
}

// ReadRange implements source.Source.
func (s *Source) ReadRange(ctx context.Context, id source.Identity, off, n int64) (io.ReadCloser, error) {
	req := s.life.Begin(ctx)
	body, err := s.readRange(req, id, off, n)
	if err != nil {
		req.End()
		return nil, fmt.Errorf("read %s at %d: %w", s.show, off, err)
	}
	return body, nil
}

func (s *Source) readRange(req *answer.Request, id source.Identity, off, n int64) (io.ReadCloser, error) {
	if off < 0 || n <= 0 || off > id.Size-n {
		return nil, fmt.Errorf("range of %d bytes is not inside %d", n, id.Size)
	}
	header := http.Header{"Range": {answer.RangeHeader(off, n)}}
	if err := setCondition(header, id.Tag); err != nil {
		return nil, err
	}
	resp, err := s.get(req, header)
	if err != nil {
		return nil, err
	}
	if err := check(resp, id, off, n); err != nil {
		req.End()
		resp.Body.Close()
		return nil, err
	}
	return answer.NewBody(req, resp.Body, resp.ContentLength, n)
}

// get sends one request for the blob with these headers, which it may change.
func (s *Source) get(req *answer.Request, header http.Header) (*http.Response, error) {
	return s.getURL(req, s.ask, header)
}

func (s *Source) getURL(req *answer.Request, u *url.URL, header http.Header) (*http.Response, error) {
	header.Set("User-Agent", "hydrant")
	header.Set("Accept-Encoding", "identity")
	r := (&http.Request{Method: http.MethodGet, URL: u, Host: u.Host, Header: header}).WithContext(req.Context)
	resp, err := s.client.Do(r)
	if err != nil {
		return nil, req.Fail(err)
	}
	return resp, nil
}

// Close implements source.Source.
func (s *Source) Close() error {
	s.life.End()
	s.once.Do(s.conns.Close)
	return nil
}
