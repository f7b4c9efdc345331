package s3test

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/iotest"
)

func TestContents(t *testing.T) {
	data := []byte(faultyData)
	path := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		t.Fatal(err)
	}
	kinds := map[string]content{
		"bytes":    bytesContent(data),
		"reader":   readerContent{bytes.NewReader(data), int64(len(data))},
		"file":     fileContent{f, info},
		"joined":   join([]content{bytesContent(data[:3]), bytesContent(nil), bytesContent(data[3:20]), bytesContent(data[20:])}),
		"flipped":  flipped{flipped{bytesContent(data), []int64{0, 7}}, []int64{7, 0}},
		"in parts": join([]content{join([]content{bytesContent(data[:10]), bytesContent(data[10:11])}), bytesContent(data[11:])}),
	}
	for name, c := range kinds {
		if c.size() != int64(len(data)) {
			t.Errorf("%s: size %d", name, c.size())
		}
		for off := range len(data) {
			r, err := c.stream(int64(off))
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			if err := iotest.TestReader(struct{ io.Reader }{r}, data[off:]); err != nil {
				t.Errorf("%s from %d: %v", name, off, err)
			}
			if err := r.Close(); err != nil {
				t.Errorf("%s: close: %v", name, err)
			}
		}
	}
}

// A sparse file of 100 GiB is served from anywhere at once, its last bytes included.
func TestPutFileSparse(t *testing.T) {
	const size int64 = 100 << 30
	path := filepath.Join(t.TempDir(), "sparse")
	f, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if err := f.Truncate(size); err != nil {
		t.Fatal(err)
	}
	if _, err := f.WriteAt([]byte("the end"), size-7); err != nil {
		t.Fatal(err)
	}
	s, client := faulty(t)
	etag, err := s.PutFile("bucket", "sparse", path)
	if err != nil {
		t.Fatal(err)
	}
	res, body, err := request(t, client, "GET", s.URL()+"/bucket/sparse", "", "Range", "bytes=-7", "If-Match", etag)
	if err != nil || body != "the end" || res.Header.Get("Content-Range") != fmt.Sprintf("bytes %d-%d/%d", size-7, size-1, size) {
		t.Errorf("%v, %v, %q", res, err, body)
	}
}

// An object stays what it was when its file gets another content under the same name, or none.
func TestPutFileOutlivesItsName(t *testing.T) {
	dir := t.TempDir()
	path, other := filepath.Join(dir, "file"), filepath.Join(dir, "other")
	for p, data := range map[string]string{path: "first", other: "other"} {
		if err := os.WriteFile(p, []byte(data), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	s, client := faulty(t)
	if _, err := s.PutFile("bucket", "file", path); err != nil {
		t.Fatal(err)
	}
	for _, change := range []func() error{
		func() error { return nil },
		func() error { return os.Rename(other, path) },
		func() error { return os.Remove(path) },
	} {
		if err := change(); err != nil {
			t.Fatal(err)
		}
		if _, body, err := request(t, client, "GET", s.URL()+"/bucket/file", ""); err != nil || body != "first" {
			t.Errorf("%q, %v", body, err)
		}
	}
}

// A content that cannot be read gives a broken answer, never a short one that looks whole.
func TestUnreadableContent(t *testing.T) {
	s, client := faulty(t)
	s.PutReaderAt("bucket", "broken", io.NewSectionReader(strings.NewReader("short"), 0, 5), 1000, "broken-1")
	if _, body, err := request(t, client, "GET", s.URL()+"/bucket/broken", ""); err == nil {
		t.Errorf("%d bytes without an error", len(body))
	}
}

func TestStats(t *testing.T) {
	s, client := faulty(t)
	get := func(r string) {
		if _, _, err := request(t, client, "GET", s.URL()+"/bucket/object", "", "Range", r); err != nil {
			t.Fatal(err)
		}
	}
	get("bytes=0-9")
	get("bytes=-6")
	get("bytes=100-")
	if _, _, err := request(t, client, "PUT", s.URL()+"/bucket/other", "12345"); err != nil {
		t.Fatal(err)
	}
	st := s.Stats()
	if st.Total != 4 || st.Requests[OpGetObject] != 3 || st.Requests[OpPutObject] != 1 || st.BytesIn != 5 || st.Connections != 4 ||
		st.Status[206] != 2 || st.Status[416] != 1 || st.Status[200] != 1 || st.MaxInFlight < 1 {
		t.Errorf("%+v", st)
	}
	var got []string
	for _, a := range s.Log("bucket", "object") {
		if a.Status == 206 {
			got = append(got, fmt.Sprint(a.Off, "+", a.Len, "=", a.Sent))
		}
	}
	if strings.Join(got, " ") != "0+10=10 30+6=6" {
		t.Errorf("log: %v", got)
	}
	if n := len(s.Log("bucket", "")); n != 4 {
		t.Errorf("log of the bucket: %d", n)
	}
	s.Reset()
	if st := s.Stats(); st.Total != 0 || st.BytesOut != 0 || len(st.Requests) != 0 || len(s.Log("bucket", "")) != 0 {
		t.Errorf("after Reset: %+v", st)
	}
}

func TestMaxInFlight(t *testing.T) {
	s, client := faulty(t)
	const n = 8
	var arrived sync.WaitGroup
	arrived.Add(n)
	f := s.Inject(Match{If: func(*http.Request) bool { arrived.Done(); return true }}, Stall())
	done := make(chan error, n)
	for range n {
		go func() {
			_, _, err := request(t, client, "GET", s.URL()+"/bucket/object", "")
			done <- err
		}()
	}
	arrived.Wait()
	f.Release()
	for range n {
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
	if st := s.Stats(); st.MaxInFlight != n || st.MaxOpen < n {
		t.Errorf("max in flight %d, max open %d", st.MaxInFlight, st.MaxOpen)
	}
}

func TestParseRange(t *testing.T) {
	//   0123456789
	//   ..xxxx....
	const size = 10
	cases := []struct {
		header string
		ok     bool // it is a range
		off, n int64
	}{
		{"bytes=2-5", true, 2, 4},
		{"bytes=2-", true, 2, 8},
		{"bytes=-3", true, 7, 3},
		{"bytes=-30", true, 0, 10},
		{"bytes=9-9", true, 9, 1},
		{"bytes=9-99", true, 9, 1},
		{"bytes=10-", true, 0, 0},
		{"bytes=-0", true, 0, 0},
		{"bytes=5-2", false, 0, 0},
		{"bytes=0-1,3-4", false, 0, 0},
		{"bytes=", false, 0, 0},
		{"bytes=-", false, 0, 0},
		{"bytes=+1-2", false, 0, 0},
		{"bytes=1", false, 0, 0},
		{"bytes=99999999999999999999-", false, 0, 0},
		{"BYTES", false, 0, 0},
		{"", false, 0, 0},
	}
	for _, c := range cases {
		r, ok := parseRange(c.header)
		if ok != c.ok {
			t.Errorf("%q: %v", c.header, ok)
			continue
		}
		if !ok {
			continue
		}
		off, n, satisfiable := r.of(size)
		if satisfiable != (c.n > 0) || c.n > 0 && (off != c.off || n != c.n) {
			t.Errorf("%q: %d+%d, %v", c.header, off, n, satisfiable)
		}
	}
}

func TestClose(t *testing.T) {
	s := New(Options{})
	if err := s.Close(); err != nil {
		t.Errorf("close before start: %v", err)
	}
	s, client := faulty(t)
	if _, _, err := request(t, client, "GET", s.URL()+"/bucket/object", ""); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := s.Close(); err != nil {
			t.Error(err)
		}
	}
	if _, err := http.Get(s.URL()); err == nil {
		t.Error("a closed server answers")
	}
}

func TestSource(t *testing.T) {
	s := Start(t, Options{Region: "eu-west-1"})
	want := "s3://bucket/dir/a%20b.db?endpoint=http%3A%2F%2F" + strings.ReplaceAll(strings.TrimPrefix(s.URL(), "http://"), ":", "%3A") +
		"&path-style=true&region=eu-west-1"
	if got := s.Source("bucket", "dir/a b.db"); got != want {
		t.Errorf("%s, want %s", got, want)
	}
}
