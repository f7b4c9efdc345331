package s3

import (
	"bytes"
	"crypto/md5"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"
)

// server is just enough of S3 for one object, plus what a test wants to go wrong.
type server struct {
	*httptest.Server
	mu      sync.Mutex
	content []byte
	gone    bool
	beside  map[string][]byte // by path: what was put
	wrong   func(w http.ResponseWriter, r *http.Request) (done bool)
	seen    []*http.Request
}

// isolate keeps the configuration of whoever runs the tests out of them.
func isolate(t testing.TB) {
	t.Helper()
	for key, value := range map[string]string{
		"AWS_ACCESS_KEY_ID":           "id",
		"AWS_SECRET_ACCESS_KEY":       "hush",
		"AWS_SESSION_TOKEN":           "",
		"AWS_PROFILE":                 "",
		"AWS_REGION":                  "",
		"AWS_DEFAULT_REGION":          "",
		"AWS_ENDPOINT_URL":            "",
		"AWS_ENDPOINT_URL_S3":         "",
		"AWS_CA_BUNDLE":               "",
		"AWS_CONFIG_FILE":             t.TempDir() + "/none",
		"AWS_SHARED_CREDENTIALS_FILE": t.TempDir() + "/none",
		"AWS_EC2_METADATA_DISABLED":   "true",
	} {
		t.Setenv(key, value)
	}
}

func startServer(t *testing.T, content []byte) *server {
	t.Helper()
	isolate(t)
	s := &server{content: content}
	s.Server = httptest.NewServer(s)
	t.Cleanup(s.Server.Close)
	return s
}

func (s *server) url() string { return "s3://bucket/dir/blob.db?endpoint=" + s.URL }

func (s *server) open(t *testing.T) *Source {
	t.Helper()
	src, err := Open(t.Context(), s.url(), Options{})
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
}

// misbehave makes wrong answer first; it returns whether that was the whole answer.
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
	content, gone, wrong := s.content, s.gone, s.wrong
	s.seen = append(s.seen, r)
	if strings.HasPrefix(r.URL.Path, "/bucket/dir/blob.db.") {
		if r.Method == http.MethodPut {
			b, _ := io.ReadAll(r.Body)
			if s.beside == nil {
				s.beside = map[string][]byte{}
			}
			s.beside[r.URL.Path] = b
			s.mu.Unlock()
			return
		}
		content = s.beside[r.URL.Path]
		gone = content == nil
	}
	s.mu.Unlock()
	switch {
	case wrong != nil && wrong(w, r):
		return
	case r.Method != http.MethodGet || !strings.HasPrefix(r.URL.Path, "/bucket/dir/blob.db"):
		fail(w, 400, "InvalidRequest", "what is this?")
		return
	case !strings.HasPrefix(r.Header.Get("Authorization"), "AWS4-HMAC-SHA256 Credential=id/"):
		fail(w, 403, "AccessDenied", "not signed")
		return
	case gone:
		fail(w, 404, "NoSuchKey", "no such key")
		return
	}
	tag := fmt.Sprintf(`"%x"`, md5.Sum(content))
	if m := r.Header.Get("If-Match"); m != "" && m != tag {
		fail(w, 412, "PreconditionFailed", "it has changed")
		return
	}
	if len(content) == 0 && r.Header.Get("Range") != "" {
		fail(w, 416, "InvalidRange", "not satisfiable")
		return
	}
	w.Header().Set("ETag", tag)
	w.Header().Set("Content-Type", "application/octet-stream")
	http.ServeContent(w, r, "", time.Time{}, bytes.NewReader(content))
}

func fail(w http.ResponseWriter, status int, code, message string) {
	w.Header().Set("Content-Type", "application/xml")
	w.WriteHeader(status)
	fmt.Fprintf(w, `<?xml version="1.0" encoding="UTF-8"?><Error><Code>%s</Code><Message>%s</Message></Error>`, code, message)
}
