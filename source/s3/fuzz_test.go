package s3

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"testing"
	"time"

	"hydrant/source"
)

// FuzzAnswer answers a request for a range with a status, headers and a body of arbitrary bytes,
// as a server or something in front of it may: errors come in S3's XML, in HTML, or in neither.
// Either exactly the bytes that were asked for come out, of the version that was asked for, or an
// error in one line of bounded length.
func FuzzAnswer(f *testing.F) {
	isolate(f)
	src, err := Open(f.Context(), "s3://bucket/dir/blob.db?endpoint=http://h&region=r", Options{Connections: 8})
	if err != nil {
		f.Fatal(err)
	}
	defer src.Close()
	src.conns.Waited.Proxy = nil
	src.conns.Waited.DisableKeepAlives = true
	src.conns.Waited.DialContext = func(ctx context.Context, _, _ string) (net.Conn, error) {
		return &canned{bytes.NewReader(ctx.Value(wireKey{}).([]byte))}, nil
	}

	const good = "ETag: \"v1\"\r\nContent-Range: bytes 10-19/100\r\n"
	xml := func(code string) []byte {
		return fmt.Appendf(nil, `<?xml version="1.0"?><Error><Code>%s</Code><Message>why`+"\n"+`</Message></Error>`, code)
	}
	f.Add(uint16(206), good+"Content-Length: 10\r\n", []byte("0123456789"))
	f.Add(uint16(206), good, []byte("01234567890"))
	f.Add(uint16(206), good+"Content-Encoding: gzip\r\n", []byte("0123456789"))
	f.Add(uint16(206), good+"x-amz-checksum-crc32: AAAAAA==\r\n", []byte("0123456789"))
	f.Add(uint16(206), "ETag: \"v2\"\r\nContent-Range: bytes 10-19/100\r\n", []byte("0123456789"))
	f.Add(uint16(206), "ETag: \"v1\"\r\nContent-Range: bytes 10-19/101\r\n", []byte("0123456789"))
	f.Add(uint16(200), "ETag: \"v1\"\r\n", []byte("0123456789"))
	for _, code := range []string{"SlowDown", "AccessDenied", "NoSuchKey", "ExpiredToken", "InvalidRange", "PreconditionFailed", "PermanentRedirect", "Weird"} {
		f.Add(uint16(400), "X-Amz-Bucket-Region: a\r\n", xml(code))
	}
	f.Add(uint16(503), "Retry-After: -1\r\n", []byte("<html>"))
	f.Add(uint16(500), "", bytes.Repeat([]byte("<Error>"), 1000))
	f.Add(uint16(307), "Location: http://elsewhere/\r\n", []byte{})
	f.Fuzz(func(t *testing.T, status uint16, headers string, said []byte) {
		wire := append(fmt.Appendf(nil, "HTTP/1.1 %d X\r\n%s\r\n", status, headers), said...)
		ctx, cancel := context.WithTimeout(context.WithValue(context.Background(), wireKey{}, wire), time.Minute)
		defer cancel()
		body, err := src.ReadRange(ctx, source.Identity{Size: 100, Tag: `"v1"`}, 10, 10)
		var got []byte
		if err == nil {
			got, err = io.ReadAll(body)
			body.Close()
		}
		switch {
		case len(got) > 10, err == nil && len(got) != 10:
			t.Fatalf("%d bytes, %v", len(got), err)
		case err == nil && !bytes.Contains(wire, []byte(`"v1"`)):
			t.Fatalf("bytes %q of a version that was not asked for", got)
		case err != nil && (len(err.Error()) > 2000 || bytes.ContainsAny([]byte(err.Error()), "\r\n")):
			t.Fatalf("message %q", err)
		case ctx.Err() != nil:
			t.Fatal("it hangs")
		}
	})
}

type wireKey struct{}

// canned is a connection whose other end says one thing, whatever it is told, and leaves.
type canned struct{ says *bytes.Reader }

func (c *canned) Read(p []byte) (int, error)       { return c.says.Read(p) }
func (c *canned) Write(p []byte) (int, error)      { return len(p), nil }
func (c *canned) Close() error                     { return nil }
func (c *canned) LocalAddr() net.Addr              { return &net.TCPAddr{} }
func (c *canned) RemoteAddr() net.Addr             { return &net.TCPAddr{} }
func (c *canned) SetDeadline(time.Time) error      { return nil }
func (c *canned) SetReadDeadline(time.Time) error  { return nil }
func (c *canned) SetWriteDeadline(time.Time) error { return nil }
