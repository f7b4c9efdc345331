package s3

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"hydrant/internal/pattern"
	"hydrant/source"
	"hydrant/source/sourcetest"
)

var blob = pattern.Blob{Seed: 33}

func TestSuite(t *testing.T) {
	sourcetest.Run(t, func(t *testing.T, content []byte) sourcetest.Place {
		s := startServer(t, content)
		return sourcetest.Place{
			Source:  s.open(t),
			Replace: func(content []byte) { s.set(content, false) },
			Remove:  func() { s.set(nil, true) },
			Reopen: func(url string) (source.Source, error) {
				return Open(t.Context(), url, Options{})
			},
		}
	})
}

func TestRequests(t *testing.T) {
	s := startServer(t, blob.Bytes(1000))
	src := s.open(t)
	id, _, err := src.Identify(t.Context(), 16)
	if err != nil {
		t.Fatal(err)
	}
	if err := source.ReadAll(t.Context(), src, id, make([]byte, 100), 50); err != nil {
		t.Fatal(err)
	}
	seen := s.requests()
	if len(seen) != 2 || src.Requests() != 2 {
		t.Fatalf("%d requests arrived, %d were counted", len(seen), src.Requests())
	}
	for i, want := range []struct{ rng, match string }{{"bytes=0-15", ""}, {"bytes=50-149", id.Tag}} {
		h := seen[i].Header
		if seen[i].Method != "GET" || h.Get("Range") != want.rng || h.Get("If-Match") != want.match {
			t.Errorf("request %d: %s, Range %q, If-Match %q", i, seen[i].Method, h.Get("Range"), h.Get("If-Match"))
		}
		if seen[i].ProtoMajor != 1 || h.Get("X-Amz-Checksum-Mode") != "" || !strings.Contains(h.Get("User-Agent"), "hydrant") {
			t.Errorf("request %d: %s, %v", i, seen[i].Proto, h)
		}
	}
	if strings.Contains(src.URL(), "hush") {
		t.Errorf("URL is %s", src.URL())
	}
}

func TestVersionID(t *testing.T) {
	s := startServer(t, blob.Bytes(1000))
	var answered string
	s.misbehave(func(w http.ResponseWriter, r *http.Request) bool {
		if r.URL.Query().Get("versionId") != "v1" {
			t.Errorf("versionId is %q", r.URL.Query().Get("versionId"))
		}
		if answered != "" {
			w.Header().Set("X-Amz-Version-Id", answered)
		}
		return false
	})
	for _, tt := range []struct {
		answered string
		want     error
	}{{"v1", nil}, {"v2", source.ErrBadAnswer}, {"", source.ErrBadAnswer}} {
		answered = tt.answered
		src, err := Open(t.Context(), s.url()+"&versionId=v1", Options{})
		if err != nil {
			t.Fatal(err)
		}
		if _, _, err := src.Identify(t.Context(), 1); !errors.Is(err, tt.want) {
			t.Errorf("answered %q: got %v, want %v", tt.answered, err, tt.want)
		}
		src.Close()
	}
}

// What a server can do wrong with the headers and the body of a ranged answer.
func TestHostileAnswers(t *testing.T) {
	tests := []struct {
		name  string
		wrong func(w http.ResponseWriter, r *http.Request) bool
		want  error
		kind  source.Kind
	}{
		{"ignores the range", func(_ http.ResponseWriter, r *http.Request) bool {
			r.Header.Del("Range")
			return false
		}, source.ErrNoRanges, source.Final},
		{"another range", func(_ http.ResponseWriter, r *http.Request) bool {
			r.Header.Set("Range", "bytes=51-150")
			return false
		}, source.ErrBadAnswer, source.Final},
		{"shorter range", func(_ http.ResponseWriter, r *http.Request) bool {
			r.Header.Set("Range", "bytes=50-148")
			return false
		}, source.ErrBadAnswer, source.Final},
		{"other size", partial("bytes 50-149/1001", "x", 100), source.ErrChanged, source.Final},
		{"other tag", partial("bytes 50-149/1000", `"other"`, 100), source.ErrChanged, source.Final},
		{"no tag", partial("bytes 50-149/1000", "", 100), source.ErrBadAnswer, source.Final},
		{"unknown size", partial("bytes 50-149/*", "x", 100), source.ErrBadAnswer, source.Final},
		{"nonsense", partial("pages 1-2/3", "x", 100), source.ErrBadAnswer, source.Final},
		{"declared too long", partial("bytes 50-149/1000", "x", 101), source.ErrBadAnswer, source.Final},
		{"declared too short", partial("bytes 50-149/1000", "x", 99), source.ErrBadAnswer, source.Final},
		{"body cut off", func(w http.ResponseWriter, r *http.Request) bool {
			partial("bytes 50-149/1000", "x", 100)(cutter{w}, r)
			panic(http.ErrAbortHandler)
		}, nil, source.Transient},
		{"connection cut off", func(http.ResponseWriter, *http.Request) bool { panic(http.ErrAbortHandler) }, nil, source.Transient},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := startServer(t, blob.Bytes(1000))
			src := s.open(t)
			id, _, err := src.Identify(t.Context(), 16)
			if err != nil {
				t.Fatal(err)
			}
			s.misbehave(func(w http.ResponseWriter, r *http.Request) bool {
				w.Header().Set("X-Want-Tag", id.Tag)
				return tt.wrong(w, r)
			})
			err = source.ReadAll(t.Context(), src, id, make([]byte, 100), 50)
			if err == nil || tt.want != nil && !errors.Is(err, tt.want) || source.KindOf(err) != tt.kind {
				t.Errorf("got %v, kind %v; want %v, kind %v", err, source.KindOf(err), tt.want, tt.kind)
			}
		})
	}
}

// partial answers with a 206 of its own. tag "x" stands for the right one.
func partial(contentRange, tag string, n int) func(http.ResponseWriter, *http.Request) bool {
	return func(w http.ResponseWriter, _ *http.Request) bool {
		if tag == "x" {
			tag = w.Header().Get("X-Want-Tag")
		}
		if tag != "" {
			w.Header().Set("ETag", tag)
		}
		w.Header().Set("Content-Range", contentRange)
		w.WriteHeader(http.StatusPartialContent)
		w.Write(blob.Range(50, int64(n)))
		return true
	}
}

// cutter declares everything and sends half of it.
type cutter struct{ http.ResponseWriter }

func (c cutter) WriteHeader(status int) {
	c.Header().Set("Content-Length", "100")
	c.ResponseWriter.WriteHeader(status)
}

func (c cutter) Write(p []byte) (int, error) {
	n, err := c.ResponseWriter.Write(p[:len(p)/2])
	c.ResponseWriter.(http.Flusher).Flush()
	return n, err
}

func TestErrorCodes(t *testing.T) {
	tests := []struct {
		status int
		code   string
		header string // Name: value
		want   error
		kind   source.Kind
		says   string
	}{
		{404, "NoSuchKey", "", source.ErrNotFound, source.Final, `there is no object "dir/blob.db" in bucket "bucket"`},
		{404, "NoSuchBucket", "", source.ErrNotFound, source.Final, `there is no bucket "bucket"`},
		{403, "AccessDenied", "", source.ErrDenied, source.Final, "s3:GetObject"},
		{403, "InvalidAccessKeyId", "", source.ErrDenied, source.Final, "AWS_ACCESS_KEY_ID"},
		{403, "SignatureDoesNotMatch", "", source.ErrDenied, source.Final, "AWS_SECRET_ACCESS_KEY"},
		{400, "ExpiredToken", "", source.ErrDenied, source.Final, "get new credentials"},
		{301, "PermanentRedirect", "X-Amz-Bucket-Region: eu-north-1", source.ErrBadAnswer, source.Final, "use region=eu-north-1"},
		{400, "AuthorizationHeaderMalformed", "X-Amz-Bucket-Region: eu-north-1", source.ErrBadAnswer, source.Final, "use region=eu-north-1"},
		{400, "AuthorizationHeaderMalformed", "", source.ErrBadAnswer, source.Final, "name it with region="},
		{412, "PreconditionFailed", "", source.ErrChanged, source.Final, ""},
		{503, "SlowDown", "Retry-After: 3", nil, source.Throttled, "SlowDown"},
		{503, "ServiceUnavailable", "", nil, source.Throttled, ""},
		{429, "TooManyRequests", "", nil, source.Throttled, ""},
		{500, "InternalError", "", nil, source.Transient, "InternalError"},
		{502, "", "", nil, source.Transient, "502"},
		{403, "RequestTimeTooSkewed", "", nil, source.Transient, ""},
		{400, "RequestTimeout", "", nil, source.Transient, ""},
		{400, "Weird", "", source.ErrBadAnswer, source.Final, "Weird"},
		{418, "Weird", "", source.ErrBadAnswer, source.Final, "Weird"},
	}
	for _, tt := range tests {
		t.Run(tt.code, func(t *testing.T) {
			s := startServer(t, blob.Bytes(1000))
			s.misbehave(func(w http.ResponseWriter, _ *http.Request) bool {
				if name, value, ok := strings.Cut(tt.header, ": "); ok {
					w.Header().Set(name, value)
				}
				if tt.code == "" {
					http.Error(w, "<html>bad gateway", tt.status)
				} else {
					fail(w, tt.status, tt.code, "as told\nby the test")
				}
				return true
			})
			src := s.open(t)
			_, _, err := src.Identify(t.Context(), 16)
			if err == nil || tt.want != nil && !errors.Is(err, tt.want) || source.KindOf(err) != tt.kind {
				t.Fatalf("got %v, kind %v; want %v, kind %v", err, source.KindOf(err), tt.want, tt.kind)
			}
			if msg := err.Error(); !strings.Contains(msg, tt.says) || strings.Contains(msg, "\n") || !strings.HasPrefix(msg, "identify s3://bucket/dir/blob.db") {
				t.Errorf("message %q, want %q in it", msg, tt.says)
			}
			if tt.code == "SlowDown" && source.RetryAfter(err) != 3*time.Second {
				t.Errorf("advice is %v", source.RetryAfter(err))
			}
			if n := len(s.requests()); n != 1 {
				t.Errorf("%d requests, want 1: trying again is not our business", n)
			}
		})
	}
}

func TestEmptyObjectOfAServerThatSays200(t *testing.T) {
	s := startServer(t, nil)
	s.misbehave(func(_ http.ResponseWriter, r *http.Request) bool {
		r.Header.Del("Range")
		return false
	})
	id, first, err := s.open(t).Identify(t.Context(), 16)
	if err != nil || id.Size != 0 || id.Tag == "" || len(first) != 0 {
		t.Errorf("got %v, %q, %v", id, first, err)
	}
}

func TestConnectionsAreKept(t *testing.T) {
	s := startServer(t, blob.Bytes(100_000))
	dialed := make(map[string]bool)
	s.misbehave(func(_ http.ResponseWriter, r *http.Request) bool {
		dialed[r.RemoteAddr] = true
		return false
	})
	src := s.open(t)
	id, _, err := src.Identify(t.Context(), 16)
	for i := range int64(20) {
		if err == nil {
			err = source.ReadAll(t.Context(), src, id, make([]byte, 4096), i*4096)
		}
	}
	if err != nil {
		t.Fatal(err)
	}
	if len(dialed) != 1 {
		t.Errorf("%d connections for requests one after the other", len(dialed))
	}
}

func TestCABundle(t *testing.T) {
	plain := startServer(t, blob.Bytes(1000))
	s := httptest.NewTLSServer(plain)
	s.Config.ErrorLog = quiet
	defer s.Close()
	url := "s3://bucket/dir/blob.db?endpoint=" + s.URL

	src, err := Open(t.Context(), url, Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer src.Close()
	if _, _, err := src.Identify(t.Context(), 16); err == nil || source.KindOf(err) != source.Final || !strings.Contains(err.Error(), "not trusted") {
		t.Errorf("without the bundle: %v", err)
	}

	t.Setenv("AWS_CA_BUNDLE", writeBundle(t, s.Certificate()))
	trusting, err := Open(t.Context(), url, Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer trusting.Close()
	if _, _, err := trusting.Identify(t.Context(), 16); err != nil {
		t.Errorf("with the bundle: %v", err)
	}
}

func TestCancelWhileWaiting(t *testing.T) {
	s := startServer(t, blob.Bytes(1000))
	arrived := make(chan struct{})
	s.misbehave(func(_ http.ResponseWriter, r *http.Request) bool {
		close(arrived)
		<-r.Context().Done()
		return true
	})
	ctx, cancel := context.WithCancel(t.Context())
	go func() { <-arrived; cancel() }()
	_, _, err := s.open(t).Identify(ctx, 16)
	if !errors.Is(err, context.Canceled) || source.KindOf(err) != source.Final {
		t.Errorf("got %v", err)
	}
}

func TestCloseWhileReading(t *testing.T) {
	s := startServer(t, blob.Bytes(1000))
	src := s.open(t)
	id, _, err := src.Identify(t.Context(), 16)
	if err != nil {
		t.Fatal(err)
	}
	s.misbehave(func(w http.ResponseWriter, r *http.Request) bool {
		w.Header().Set("ETag", id.Tag)
		w.Header().Set("Content-Range", "bytes 0-999/1000")
		w.Header().Set("Content-Length", "1000")
		w.WriteHeader(http.StatusPartialContent)
		w.Write(blob.Bytes(10))
		w.(http.Flusher).Flush()
		<-r.Context().Done()
		return true
	})
	r, err := src.ReadRange(t.Context(), id, 0, 1000)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if _, err := io.ReadFull(r, make([]byte, 10)); err != nil {
		t.Fatal(err)
	}
	time.AfterFunc(0, func() { src.Close() })
	if _, err := io.ReadAll(r); err == nil || source.KindOf(err) != source.Final {
		t.Errorf("got %v", err)
	}
}
