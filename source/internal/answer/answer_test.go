package answer

import (
	"context"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/http"
	"net/url"
	"strings"
	"syscall"
	"testing"
	"testing/iotest"
	"time"

	"hydrant/source"
)

func TestParseContentRange(t *testing.T) {
	tests := []struct {
		s    string
		want ContentRange
	}{
		{"bytes 0-0/1", ContentRange{0, 1, 1}},
		{"bytes 10-19/100", ContentRange{10, 10, 100}},
		{"Bytes  10-19/100", ContentRange{10, 10, 100}},
		{"bytes 0-9223372036854775805/9223372036854775807", ContentRange{0, 1<<63 - 2, 1<<63 - 1}},
		{"", ContentRange{}},
		{"bytes", ContentRange{}},
		{"bytes */100", ContentRange{}},
		{"bytes 0-9/*", ContentRange{}},
		{"bytes 0-9", ContentRange{}},
		{"bytes 9-0/100", ContentRange{}},
		{"bytes 0-100/100", ContentRange{}},
		{"bytes -1-9/100", ContentRange{}},
		{"bytes +1-9/100", ContentRange{}},
		{"bytes 1 - 9/100", ContentRange{}},
		{"bytes=0-9/100", ContentRange{}},
		{"pages 0-9/100", ContentRange{}},
		{"bytes 0-9/9223372036854775808", ContentRange{}},
		{"bytes 0-9/100, 20-29/100", ContentRange{}},
	}
	for _, tt := range tests {
		got, err := ParseContentRange(tt.s)
		if got != tt.want || (err == nil) != (tt.want.Len > 0) {
			t.Errorf("%q: got %+v, %v", tt.s, got, err)
		}
		if err != nil && !errors.Is(err, source.ErrBadAnswer) {
			t.Errorf("%q: %v is not ErrBadAnswer", tt.s, err)
		}
	}
}

func FuzzParseContentRange(f *testing.F) {
	for _, s := range []string{"bytes 0-0/1", "bytes 5-9/*", "bytes */7", "BYTES 1-2/3", "bytes 0-18446744073709551615/2", "bytes 1-2/3 ", "\x00"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		r, err := ParseContentRange(s)
		if err != nil {
			if strings.ContainsAny(err.Error(), "\n\r") || len(err.Error()) > 1000 {
				t.Fatalf("message %q", err)
			}
			return
		}
		if r.Off < 0 || r.Len <= 0 || r.Off > r.Size-r.Len {
			t.Fatalf("%q: %+v is not inside the blob", s, r)
		}
		again, err := ParseContentRange(fmt.Sprintf("bytes %d-%d/%d", r.Off, r.Off+r.Len-1, r.Size))
		if err != nil || again != r {
			t.Fatalf("%q: %+v, then %+v, %v", s, r, again, err)
		}
	})
}

func TestRangesAsked(t *testing.T) {
	r := ContentRange{Off: 10, Len: 5, Size: 100}
	if err := r.Exactly(10, 5, 100); err != nil {
		t.Error(err)
	}
	for _, q := range []struct {
		off, n, size int64
		want         error
	}{{9, 5, 100, source.ErrBadAnswer}, {10, 4, 100, source.ErrBadAnswer}, {10, 5, 101, source.ErrChanged}} {
		if err := r.Exactly(q.off, q.n, q.size); !errors.Is(err, q.want) {
			t.Errorf("%+v: got %v", q, err)
		}
	}
	for _, f := range []struct {
		r  ContentRange
		n  int64
		ok bool
	}{{ContentRange{0, 16, 100}, 16, true}, {ContentRange{0, 10, 10}, 16, true}, {ContentRange{0, 10, 100}, 16, false}, {ContentRange{1, 16, 100}, 16, false}} {
		if err := f.r.First(f.n); (err == nil) != f.ok {
			t.Errorf("%v for the first %d: %v", f.r, f.n, err)
		}
	}
}

func TestStatus(t *testing.T) {
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	tests := []struct {
		code  int
		after string
		want  error
		kind  source.Kind
		wait  time.Duration
	}{
		{401, "", source.ErrDenied, source.Final, 0},
		{403, "", source.ErrDenied, source.Final, 0},
		{404, "", source.ErrNotFound, source.Final, 0},
		{410, "", source.ErrNotFound, source.Final, 0},
		{412, "", source.ErrChanged, source.Final, 0},
		{418, "", source.ErrBadAnswer, source.Final, 0},
		{304, "", source.ErrBadAnswer, source.Final, 0},
		{429, "7", nil, source.Throttled, 7 * time.Second},
		{503, "Fri, 02 Jan 2026 03:05:05 GMT", nil, source.Throttled, time.Minute},
		{503, "Fri, 02 Jan 2026 03:04:04 GMT", nil, source.Throttled, 0},
		{503, "-5", nil, source.Throttled, 0},
		{503, "4294967295", nil, source.Throttled, time.Hour},
		{503, "soon", nil, source.Throttled, 0},
		{500, "", nil, source.Transient, 0},
		{501, "", source.ErrBadAnswer, source.Final, 0},
		{504, "", nil, source.Transient, 0},
		{408, "", nil, source.Transient, 0},
	}
	for _, tt := range tests {
		err := Status(tt.code, http.Header{"Retry-After": {tt.after}}, now)
		if err == nil || tt.want != nil && !errors.Is(err, tt.want) ||
			source.KindOf(err) != tt.kind || source.RetryAfter(err) != tt.wait {
			t.Errorf("%d %q: got %v, kind %v, wait %v", tt.code, tt.after, err, source.KindOf(err), source.RetryAfter(err))
		}
	}
	if err := Status(206, nil, now); err != nil {
		t.Error(err)
	}
}

func FuzzRetryAfter(f *testing.F) {
	for _, s := range []string{"", "1", "-1", "1e9", "99999999999999999999", "Fri, 02 Jan 2026 03:05:05 GMT"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if d := RetryAfter(http.Header{"Retry-After": {s}}, time.Unix(1e9, 0)); d < 0 || d > maxRetryAfter {
			t.Fatalf("%q: %v", s, d)
		}
	})
}

func TestKinds(t *testing.T) {
	tests := []struct {
		err  error
		want source.Kind
		says string
	}{
		{syscall.ECONNRESET, source.Transient, ""},
		{&net.OpError{Op: "dial", Err: syscall.ECONNREFUSED}, source.Transient, ""},
		{io.ErrUnexpectedEOF, source.Transient, ""},
		{&net.DNSError{Err: "no such host", IsNotFound: true}, source.Final, "check the host name"},
		{&net.DNSError{Err: "server misbehaving", IsTemporary: true}, source.Transient, ""},
		{x509.UnknownAuthorityError{}, source.Final, "not trusted"},
		{source.ErrChanged, source.Final, ""},
		{source.WithKind(errors.New("x"), source.Throttled), source.Throttled, ""},
		{errors.New("stopped after 10 redirects"), source.Final, ""},
	}
	for _, tt := range tests {
		err := classify(&url.Error{Op: "Get", URL: "http://x/?token=secret", Err: tt.err})
		if source.KindOf(err) != tt.want || !errors.Is(err, tt.err) || !strings.Contains(err.Error(), tt.says) {
			t.Errorf("%v: got %v, kind %v", tt.err, err, source.KindOf(err))
		}
		if strings.Contains(err.Error(), "secret") {
			t.Errorf("%v tells a secret", err)
		}
	}
}

func TestBody(t *testing.T) {
	tests := []struct {
		name   string
		body   string
		length int64
		n      int64
		got    string
		want   error
		kind   source.Kind
	}{
		{"exact", "hello", 5, 5, "hello", nil, source.Final},
		{"exact, length unknown", "hello", -1, 5, "hello", nil, source.Final},
		{"declared shorter", "hell", 4, 5, "", source.ErrBadAnswer, source.Final},
		{"declared longer", "hello!", 6, 5, "", source.ErrBadAnswer, source.Final},
		{"shorter", "hell", 5, 5, "hell", source.ErrBadAnswer, source.Transient},
		{"longer", "hello!", -1, 5, "hell", source.ErrBadAnswer, source.Final},
		{"empty", "", -1, 5, "", source.ErrBadAnswer, source.Transient},
	}
	for _, tt := range tests {
		for how, wrap := range map[string]func(io.Reader) io.Reader{
			"at once":  func(r io.Reader) io.Reader { return r },
			"with EOF": iotest.DataErrReader,
			"bytewise": iotest.OneByteReader,
		} {
			b, err := NewBody(NewLife().Begin(t.Context()), io.NopCloser(wrap(strings.NewReader(tt.body))), tt.length, tt.n)
			var got []byte
			if err == nil {
				got, err = io.ReadAll(b)
				if _, again := b.Read(make([]byte, 1)); err != nil && again != err {
					t.Errorf("%s, %s: then %v", tt.name, how, again)
				}
			}
			if !errors.Is(err, tt.want) || source.KindOf(err) != tt.kind || !strings.HasPrefix(tt.got, string(got)) {
				t.Errorf("%s, %s: got %q, %v", tt.name, how, got, err)
			}
			if tt.want == nil && string(got) != tt.got {
				t.Errorf("%s, %s: got %q", tt.name, how, got)
			}
		}
	}
}

func TestBodyOfAnEndedRequest(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	life := NewLife()
	fail := func() error {
		b, err := NewBody(life.Begin(ctx), io.NopCloser(iotest.ErrReader(syscall.ECONNRESET)), 5, 5)
		if err != nil {
			t.Fatal(err)
		}
		_, err = b.Read(make([]byte, 5))
		return err
	}
	if err := fail(); source.KindOf(err) != source.Transient {
		t.Errorf("reset: %v", err)
	}
	life.End()
	if err := fail(); !errors.Is(err, fs.ErrClosed) {
		t.Errorf("closed: %v", err)
	}
	cancel()
	if err := fail(); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
}
