package http

import (
	"bytes"
	"context"
	"io"
	"net"
	"testing"
	"time"

	"hydrant/source"
)

// FuzzWire answers a request for a range with arbitrary bytes, status line and all. Either exactly
// the bytes that were asked for come out, of the version that was asked for, or an error in one
// line.
func FuzzWire(f *testing.F) {
	const good = "HTTP/1.1 206 Partial Content\r\nETag: \"v1\"\r\nContent-Range: bytes 10-19/100\r\n"
	for _, s := range []string{
		good + "Content-Length: 10\r\n\r\n0123456789",
		good + "Content-Length: 9\r\n\r\n012345678",
		good + "\r\n01234567890",
		good + "Transfer-Encoding: chunked\r\n\r\na\r\n0123456789\r\n0\r\n\r\n",
		good + "Content-Encoding: gzip\r\nContent-Length: 10\r\n\r\n0123456789",
		"HTTP/1.1 200 OK\r\nETag: \"v1\"\r\nContent-Length: 100\r\n\r\n",
		"HTTP/1.1 206 Partial Content\r\nETag: \"v2\"\r\nContent-Range: bytes 10-19/100\r\nContent-Length: 10\r\n\r\n0123456789",
		"HTTP/1.1 206 Partial Content\r\nETag: W/\"v1\"\r\nContent-Range: bytes 11-20/100\r\n\r\n0123456789",
		"HTTP/1.1 302 Found\r\nLocation: http://h/again\r\n\r\n",
		"HTTP/1.1 503 Slow Down\r\nRetry-After: 99999999999999999999\r\n\r\n",
		"HTTP/1.1 100 Continue\r\n\r\nHTTP/9.9 999\r\n\r\n",
		"\x00\xff garbage\r\n\r\n",
		"HTTP/1.1 416 x\r\n\r\n",
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, wire []byte) {
		src, err := Open("http://h/blob", Options{Connections: 1})
		if err != nil {
			t.Fatal(err)
		}
		defer src.Close()
		src.conns.Waited.Proxy = nil
		src.conns.Waited.DialContext = func(context.Context, string, string) (net.Conn, error) { return newCanned(wire), nil }
		ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
		defer cancel()
		id := source.Identity{Size: 100, Tag: `"v1"`}
		body, err := src.ReadRange(ctx, id, 10, 10)
		var got []byte
		if err == nil {
			got, err = io.ReadAll(body)
			body.Close()
		}
		switch {
		case len(got) > 10:
			t.Fatalf("%d bytes", len(got))
		case err == nil && len(got) != 10:
			t.Fatalf("%d bytes and no error", len(got))
		case err != nil && (len(err.Error()) > 2000 || bytes.ContainsAny([]byte(err.Error()), "\r\n")):
			t.Fatalf("message %q", err)
		case len(got) > 0 && (!bytes.Contains(wire, []byte(`"v1"`)) || !bytes.Contains(bytes.ToLower(wire), []byte("bytes 10-19/100")) &&
			!bytes.Contains(bytes.ToLower(wire), []byte("bytes  "))):
			t.Fatalf("bytes %q of a version or range that was not asked for", got)
		}
		if ctx.Err() != nil {
			t.Fatal("it hangs")
		}
	})
}

// canned is a connection whose other end says one thing, whatever it is told, and leaves.
type canned struct {
	says *bytes.Reader
}

func newCanned(says []byte) *canned { return &canned{bytes.NewReader(says)} }

func (c *canned) Read(p []byte) (int, error)       { return c.says.Read(p) }
func (c *canned) Write(p []byte) (int, error)      { return len(p), nil }
func (c *canned) Close() error                     { return nil }
func (c *canned) LocalAddr() net.Addr              { return &net.TCPAddr{} }
func (c *canned) RemoteAddr() net.Addr             { return &net.TCPAddr{} }
func (c *canned) SetDeadline(time.Time) error      { return nil }
func (c *canned) SetReadDeadline(time.Time) error  { return nil }
func (c *canned) SetWriteDeadline(time.Time) error { return nil }
