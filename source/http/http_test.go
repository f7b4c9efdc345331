package http

import (
	"bytes"
	"errors"
	"fmt"
	"hash/crc32"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"hydrant/internal/pattern"
	"hydrant/source"
	"hydrant/source/sourcetest"
)

var blob = pattern.Blob{Seed: 80}

// server serves one blob, named by an ETag or by a date, plus what a test wants to go wrong.
type server struct {
	*httptest.Server
	mu      sync.Mutex
	content []byte
	version int
	gone    bool
	beside  map[string][]byte // by suffix
	dated   bool              // Last-Modified and no ETag
	wrong   func(w http.ResponseWriter, r *http.Request) (done bool)
	seen    []*http.Request
}

func startServer(t *testing.T, content []byte) *server {
	t.Helper()
	s := &server{content: content}
	s.Server = httptest.NewServer(s)
	t.Cleanup(s.Server.Close)
	return s
}

func (s *server) open(t *testing.T) *Source {
	t.Helper()
	src, err := Open(s.URL+"/blob.db", Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { src.Close() })
	return src
}

func (s *server) set(content []byte, gone bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.content, s.gone = content, gone
	s.version++
}

func (s *server) misbehave(wrong func(http.ResponseWriter, *http.Request) bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.wrong = wrong
}

func (s *server) requests() []*http.Request {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.seen
}

func (s *server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	content, version, gone, dated, wrong := s.content, s.version, s.gone, s.dated, s.wrong
	if suffix, ok := strings.CutPrefix(r.URL.Path, "/blob.db"); ok && suffix != "" {
		content = s.beside[suffix]
		gone = content == nil
	}
	s.seen = append(s.seen, r)
	s.mu.Unlock()
	w.Header().Set("Content-Type", "application/octet-stream")
	var date time.Time
	if dated {
		date = time.Unix(1e9+int64(version), 0)
	} else {
		w.Header().Set("ETag", fmt.Sprintf(`"%d-%x"`, version, crc32.ChecksumIEEE(content)))
	}
	if wrong != nil && wrong(w, r) {
		return
	}
	if gone {
		w.Header().Del("ETag")
		http.NotFound(w, r)
		return
	}
	http.ServeContent(w, r, "", date, bytes.NewReader(content))
}

func TestSuite(t *testing.T) {
	for name, dated := range map[string]bool{"ETag": false, "LastModified": true} {
		t.Run(name, func(t *testing.T) {
			sourcetest.Run(t, func(t *testing.T, content []byte) sourcetest.Place {
				s := startServer(t, content)
				s.dated = dated
				return sourcetest.Place{
					Source:  s.open(t),
					Replace: func(content []byte) { s.set(content, false) },
					Remove:  func() { s.set(nil, true) },
					Reopen:  func(url string) (source.Source, error) { return Open(url, Options{}) },
					PutBeside: func(suffix string, content []byte) {
						s.mu.Lock()
						defer s.mu.Unlock()
						s.beside = map[string][]byte{suffix: content}
					},
				}
			})
		})
	}
}

func TestRequests(t *testing.T) {
	s := startServer(t, blob.Bytes(1000))
	src, err := Open(strings.Replace(s.URL, "http://", "http://me:hush@", 1)+"/blob.db?token=hush2&id=3", Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer src.Close()
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
		r := seen[i]
		if r.Method != "GET" || r.ProtoMajor != 1 || r.Header.Get("Range") != want.rng || r.Header.Get("If-Match") != want.match ||
			r.Header.Get("Accept-Encoding") != "identity" || r.URL.RawQuery != "token=hush2&id=3" {
			t.Errorf("request %d: %s %s %s %v", i, r.Method, r.URL, r.Proto, r.Header)
		}
		if user, pass, _ := r.BasicAuth(); user != "me" || pass != "hush" {
			t.Errorf("request %d: as %q, %q", i, user, pass)
		}
	}
	if src.URL() != s.URL+"/blob.db?id=3" {
		t.Errorf("URL is %s", src.URL())
	}

	s.Close() // an error of the transport names the blob, and no secret
	_, _, err = src.Identify(t.Context(), 16)
	if source.KindOf(err) != source.Transient || strings.Contains(err.Error(), "hush") || !strings.Contains(err.Error(), src.URL()) {
		t.Errorf("got %v, kind %v", err, source.KindOf(err))
	}
}

// What a server can do wrong, in answer to bytes 50-149 of 1000.
func TestHostileAnswers(t *testing.T) {
	head := func(name, value string) func(http.ResponseWriter, *http.Request) bool {
		return func(w http.ResponseWriter, _ *http.Request) bool {
			w.Header().Set(name, value)
			return false
		}
	}
	status := func(code int) func(http.ResponseWriter, *http.Request) bool {
		return func(w http.ResponseWriter, _ *http.Request) bool {
			w.Header().Set("Retry-After", "3")
			w.WriteHeader(code)
			return true
		}
	}
	ask := func(rng string) func(http.ResponseWriter, *http.Request) bool {
		return func(_ http.ResponseWriter, r *http.Request) bool {
			r.Header.Set("Range", rng)
			return false
		}
	}
	tests := []struct {
		name  string
		wrong func(w http.ResponseWriter, r *http.Request) bool
		want  error
		kind  source.Kind
	}{
		{"ignores the range", ask(""), source.ErrNoRanges, source.Final},
		{"another range", ask("bytes=51-150"), source.ErrBadAnswer, source.Final},
		{"several ranges", ask("bytes=50-99,100-149"), source.ErrBadAnswer, source.Final},
		{"compressed", head("Content-Encoding", "gzip"), source.ErrBadAnswer, source.Final},
		{"plain encoding", head("Content-Encoding", "identity"), nil, source.Final},
		{"ignores the condition", func(w http.ResponseWriter, r *http.Request) bool {
			w.Header().Set("ETag", `"other"`)
			r.Header.Del("If-Match")
			return false
		}, source.ErrChanged, source.Final},
		{"ignores the condition and the range", func(w http.ResponseWriter, r *http.Request) bool {
			w.Header().Set("ETag", `"other"`)
			r.Header.Del("If-Match")
			r.Header.Del("Range")
			return false
		}, source.ErrChanged, source.Final},
		{"no tag any more", func(w http.ResponseWriter, r *http.Request) bool {
			w.Header().Del("ETag")
			r.Header.Del("If-Match")
			return false
		}, source.ErrBadAnswer, source.Final},
		{"other size", raw(http.StatusPartialContent, "bytes 50-149/1001", 100), source.ErrChanged, source.Final},
		{"no range said", raw(http.StatusPartialContent, "", 100), source.ErrBadAnswer, source.Final},
		{"too long", raw(http.StatusPartialContent, "bytes 50-149/1000", 101), source.ErrBadAnswer, source.Final},
		{"cut off", func(w http.ResponseWriter, r *http.Request) bool {
			w.Header().Set("Content-Length", "100")
			raw(http.StatusPartialContent, "bytes 50-149/1000", 60)(w, r)
			panic(http.ErrAbortHandler)
		}, source.ErrBadAnswer, source.Transient},
		{"no content", raw(http.StatusNoContent, "", 0), source.ErrBadAnswer, source.Final},
		{"loop", func(w http.ResponseWriter, r *http.Request) bool {
			http.Redirect(w, r, r.URL.Path, http.StatusFound)
			return true
		}, nil, source.Final},
		{"416", status(416), source.ErrChanged, source.Final},
		{"412", status(412), source.ErrChanged, source.Final},
		{"401", status(401), source.ErrDenied, source.Final},
		{"403", status(403), source.ErrDenied, source.Final},
		{"404", status(404), source.ErrNotFound, source.Final},
		{"410", status(410), source.ErrNotFound, source.Final},
		{"429", status(429), nil, source.Throttled},
		{"503", status(503), nil, source.Throttled},
		{"502", status(502), nil, source.Transient},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			s := startServer(t, blob.Bytes(1000))
			src := s.open(t)
			id, _, err := src.Identify(t.Context(), 16)
			if err != nil {
				t.Fatal(err)
			}
			s.misbehave(tt.wrong)
			err = source.ReadAll(t.Context(), src, id, make([]byte, 100), 50)
			if (err == nil) != (tt.name == "plain encoding") || tt.want != nil && !errors.Is(err, tt.want) || source.KindOf(err) != tt.kind {
				t.Errorf("got %v, kind %v; want %v, kind %v", err, source.KindOf(err), tt.want, tt.kind)
			}
			if tt.kind == source.Throttled && source.RetryAfter(err) != 3*time.Second {
				t.Errorf("advice is %v", source.RetryAfter(err))
			}
		})
	}
}

// raw answers with a head and a body of its own.
func raw(status int, contentRange string, n int64) func(http.ResponseWriter, *http.Request) bool {
	return func(w http.ResponseWriter, _ *http.Request) bool {
		if contentRange != "" {
			w.Header().Set("Content-Range", contentRange)
		}
		w.WriteHeader(status)
		w.Write(blob.Range(50, n))
		w.(http.Flusher).Flush()
		return true
	}
}

func TestIdentifyRefuses(t *testing.T) {
	tests := []struct {
		name  string
		wrong func(w http.ResponseWriter, r *http.Request) bool
		want  error
		says  string
	}{
		{"weak", func(w http.ResponseWriter, _ *http.Request) bool {
			w.Header().Set("ETag", `W/"1"`)
			return false
		}, source.ErrBadAnswer, "neither a strong ETag nor"},
		{"nameless", func(w http.ResponseWriter, _ *http.Request) bool {
			w.Header().Del("ETag")
			return false
		}, source.ErrBadAnswer, "neither a strong ETag nor"},
		{"whole", func(_ http.ResponseWriter, r *http.Request) bool {
			r.Header.Del("Range")
			return false
		}, source.ErrNoRanges, "does not serve byte ranges"},
		{"416 and not empty", func(w http.ResponseWriter, r *http.Request) bool {
			if r.Header.Get("Range") != "" {
				w.WriteHeader(416)
				return true
			}
			return false
		}, source.ErrNoRanges, "not even the first byte"},
	}
	for _, tt := range tests {
		s := startServer(t, blob.Bytes(1000))
		s.misbehave(tt.wrong)
		_, _, err := s.open(t).Identify(t.Context(), 16)
		if !errors.Is(err, tt.want) || source.KindOf(err) != source.Final || !strings.Contains(err.Error(), tt.says) {
			t.Errorf("%s: got %v", tt.name, err)
		}
	}
}

// An empty blob of a server that answers 416, as the RFC has it.
func TestEmptyAnd416(t *testing.T) {
	s := startServer(t, nil)
	s.misbehave(func(w http.ResponseWriter, r *http.Request) bool {
		if r.Header.Get("Range") != "" {
			w.Header().Set("Content-Range", "bytes */0")
			w.WriteHeader(416)
			return true
		}
		return false
	})
	id, first, err := s.open(t).Identify(t.Context(), 16)
	if err != nil || id.Size != 0 || id.Tag == "" || len(first) != 0 {
		t.Errorf("got %+v, %q, %v", id, first, err)
	}
}

// The identity of another kind of source is not sent anywhere.
func TestForeignIdentity(t *testing.T) {
	s := startServer(t, blob.Bytes(1000))
	err := source.ReadAll(t.Context(), s.open(t), source.Identity{Size: 1000, Tag: "ino=1"}, make([]byte, 1), 0)
	if !errors.Is(err, source.ErrBadAnswer) || len(s.requests()) != 0 {
		t.Errorf("got %v after %d requests", err, len(s.requests()))
	}
}

func TestRedirectKeepsTheSecret(t *testing.T) {
	target := startServer(t, blob.Bytes(1000))
	s := startServer(t, nil)
	s.misbehave(func(w http.ResponseWriter, r *http.Request) bool {
		http.Redirect(w, r, strings.Replace(target.URL, "127.0.0.1", "localhost", 1)+"/blob.db", http.StatusFound)
		return true
	})
	src, err := Open(strings.Replace(s.URL, "http://", "http://me:hush@", 1)+"/?sig=hush", Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer src.Close()
	id, _, err := src.Identify(t.Context(), 16)
	if err == nil {
		err = source.ReadAll(t.Context(), src, id, make([]byte, 100), 50)
	}
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range target.requests() {
		if strings.Contains(fmt.Sprint(r.Header), "hush") || r.Header.Get("Authorization") != "" {
			t.Errorf("the other host was told %v", r.Header)
		}
	}
}
