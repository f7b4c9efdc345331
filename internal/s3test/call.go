package s3test

import (
	"context"
	"encoding/xml"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strings"
)

// call is one request while it is answered. It belongs to one goroutine.
type call struct {
	s    *Server
	w    *response
	r    *http.Request
	ctx  context.Context // ends when the client leaves or the server closes
	conn *conn
	id   string

	op          Op
	bucket, key string
	q           url.Values
	plan        plan
	access      *Access // the log's entry; changed under stats.mu only
	signed      *signer // nil for an anonymous request
}

// ServeHTTP answers one request: it waits as the network would, then checks who asks, then does it.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if !s.stats.enter() {
		panic(http.ErrAbortHandler)
	}
	defer s.stats.leave()

	ctx, cancel := context.WithCancel(r.Context())
	defer cancel()
	defer context.AfterFunc(s.ctx, cancel)()

	c := s.newCall(ctx, w, r)
	if err := c.serve(); err != nil {
		c.answerError(err)
	}
	if c.plan.lose && !c.w.gone {
		c.reset()
	}
}

func (s *Server) newCall(ctx context.Context, w http.ResponseWriter, r *http.Request) *call {
	c := &call{s: s, r: r, ctx: ctx, conn: s.connOf(r.Context()), q: r.URL.Query()}
	c.id = fmt.Sprintf("%016X", s.nextID.Add(1))
	c.bucket, c.key = splitTarget(r.Host, r.URL.Path)
	c.op = opOf(r, c.bucket, c.key, c.q)
	c.access = s.stats.begin(c)
	c.plan = s.faults.plan(c)
	c.w = &response{w: w, lost: c.plan.lose}
	h := w.Header()
	h.Set("Server", "s3test")
	h.Set("X-Amz-Request-Id", c.id)
	return c
}

// serve returns the error to answer with; nil when the answer is out or nobody is there to hear it.
func (c *call) serve() error {
	if err := c.s.firstByte(c.ctx, c.conn); err != nil {
		c.hangUp()
		return nil
	}
	if err := c.applyBefore(); err != nil || c.w.gone {
		return err
	}
	if err := c.authenticate(); err != nil {
		return err
	}
	h := handlers[c.op]
	if h == nil {
		return fail(501, "NotImplemented", "A header or query you provided implies functionality that is not implemented.")
	}
	return h(c)
}

// splitTarget takes bucket and key from a path-style or a virtual-host-style request. Only names under localhost
// are taken for virtual hosts ("bucket.localhost:9000").
func splitTarget(host, path string) (bucket, key string) {
	path = strings.TrimPrefix(path, "/")
	if h, _, err := net.SplitHostPort(host); err == nil {
		host = h
	}
	if b, ok := strings.CutSuffix(host, ".localhost"); ok {
		return b, path
	}
	bucket, key, _ = strings.Cut(path, "/")
	return bucket, key
}

// answerError writes err as S3 would. Anything that is not an apiError is a failure of the server's own.
func (c *call) answerError(err error) {
	var e *apiError
	if !errors.As(err, &e) {
		e = fail(500, "InternalError", "We encountered an internal error: %v", err)
	}
	if e.status == http.StatusNotModified || c.r.Method == http.MethodHead {
		c.writeHeader(e.status)
		return
	}
	full := *e
	full.details = append(append([]detail{}, e.details...), detail{"Resource", c.r.URL.Path}, detail{"RequestId", c.id})
	c.answerXML(e.status, &full)
}

// answerXML sends v as the whole answer.
func (c *call) answerXML(status int, v any) {
	out, err := xml.Marshal(v)
	if err != nil {
		panic(fmt.Sprintf("s3test: answer of %s: %v", c.op, err))
	}
	body := bytesContent(append([]byte(xml.Header), out...))
	h := c.w.Header()
	h.Set("Content-Type", "application/xml")
	h.Set("Content-Length", fmt.Sprint(body.size()))
	c.writeHeader(status)
	c.send(body, 0, body.size())
}

// writeHeader sends the status and headers, after the fault plan's last word on them.
func (c *call) writeHeader(status int) {
	for _, edit := range c.plan.headers {
		edit(c.w.Header())
	}
	c.s.stats.status(c.access, status)
	c.w.WriteHeader(status)
}

const xmlns = "http://s3.amazonaws.com/doc/2006-03-01/"

// bodyLimit bounds XML request documents, in bytes.
const bodyLimit = 4 << 20
