package s3test

import (
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"syscall"
	"testing"
	"time"
)

const faultyData = "0123456789abcdefghijklmnopqrstuvwxyz"

// faulty is a server with one object and a client that connects anew for each request.
func faulty(t *testing.T) (*Server, *http.Client) {
	s := Start(t, Options{Anonymous: true})
	s.Put("bucket", "object", []byte(faultyData))
	return s, &http.Client{Transport: &http.Transport{DisableKeepAlives: true, DisableCompression: true}}
}

func request(t *testing.T, c *http.Client, method, url, body string, headers ...string) (*http.Response, string, error) {
	t.Helper()
	req, err := http.NewRequestWithContext(t.Context(), method, url, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	for i := 0; i < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	res, err := c.Do(req)
	if err != nil {
		return nil, "", err
	}
	defer res.Body.Close()
	data, err := io.ReadAll(res.Body)
	return res, string(data), err
}

func TestFaults(t *testing.T) {
	const asked = "bytes=10-19"
	cases := []struct {
		name    string
		action  Action
		status  int
		body    string
		err     error
		headers map[string]string
	}{
		{name: "none", action: func(*plan) {}, status: 206, body: "abcdefghij",
			headers: map[string]string{"Content-Range": "bytes 10-19/36", "Content-Length": "10"}},
		{name: "Reset", action: Reset(), err: syscall.ECONNRESET},
		{name: "LoseResponse", action: LoseResponse(), err: syscall.ECONNRESET},
		{name: "ResetAfter", action: ResetAfter(4), status: 206, err: syscall.ECONNRESET},
		{name: "TruncateAfter", action: TruncateAfter(4), status: 206, body: "abcd", err: io.ErrUnexpectedEOF},
		{name: "TruncateAfter 0", action: TruncateAfter(0), status: 206, body: "", err: io.ErrUnexpectedEOF},
		{name: "TruncateAfter all", action: TruncateAfter(10), status: 206, body: "abcdefghij"},
		{name: "Short", action: Short(3), status: 206, body: "abcdefg",
			headers: map[string]string{"Content-Range": "bytes 10-19/36", "Content-Length": "7"}},
		{name: "Long", action: Long(3), status: 206, body: "abcdefghijklm",
			headers: map[string]string{"Content-Range": "bytes 10-19/36", "Content-Length": "13"}},
		{name: "Long past the end", action: Long(18), status: 206, body: faultyData[10:] + "\x00\x00",
			headers: map[string]string{"Content-Length": "28"}},
		{name: "Undeclared", action: Undeclared(), status: 206, body: "abcdefghij",
			headers: map[string]string{"Content-Range": "bytes 10-19/36", "Content-Length": ""}},
		{name: "Total", action: Total(-1), status: 206, body: "abcdefghij",
			headers: map[string]string{"Content-Range": "bytes 10-19/35"}},
		{name: "Pause", action: Pause(4, time.Millisecond), status: 206, body: "abcdefghij"},
		{name: "Trickle", action: Trickle(time.Microsecond), status: 206, body: "abcdefghij"},
		{name: "Late", action: Late(Uniform(0, time.Millisecond)), status: 206, body: "abcdefghij"},
		{name: "HugeHeader", action: HugeHeader(100_000), status: 206, body: "abcdefghij",
			headers: map[string]string{"X-Padding": strings.Repeat("x", 100_000)}},
		{name: "Garbage", action: Garbage("HTTP/1.1 299 Odd\r\nContent-Length: 2\r\n\r\nhi"), status: 299, body: "hi"},
		{name: "IgnoreRange", action: IgnoreRange(), status: 200, body: faultyData,
			headers: map[string]string{"Content-Range": "", "Content-Length": "36"}},
		{name: "ShiftRange", action: ShiftRange(5), status: 206, body: "abcdefghij",
			headers: map[string]string{"Content-Range": "bytes 15-24/36"}},
		{name: "ChangeETag", action: ChangeETag("other"), status: 206, body: "abcdefghij",
			headers: map[string]string{"Etag": `"other"`}},
		{name: "FlipBit", action: FlipBit(12), status: 206, body: "abbdefghij"},
		{name: "FlipBit elsewhere", action: FlipBit(20), status: 206, body: "abcdefghij"},
		{name: "Drip", action: Drip(1 << 20), status: 206, body: "abcdefghij"},
		{name: "Header", action: Header("Content-Range", ""), status: 206, body: "abcdefghij",
			headers: map[string]string{"Content-Range": ""}},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			s, client := faulty(t)
			f := s.Inject(Match{Op: OpGetObject}, c.action)
			res, body, err := request(t, client, "GET", s.URL()+"/bucket/object", "", "Range", asked)
			if !errors.Is(err, c.err) {
				t.Errorf("error %v, want %v", err, c.err)
			}
			if f.Hits() != 1 {
				t.Errorf("%d hits", f.Hits())
			}
			if c.status == 0 || res == nil {
				if c.status != 0 {
					t.Errorf("no response, want %d", c.status)
				}
				return
			}
			if res.StatusCode != c.status {
				t.Errorf("status %d, want %d", res.StatusCode, c.status)
			}
			if c.err != syscall.ECONNRESET && body != c.body { // an RST may overtake bytes
				t.Errorf("body %q, want %q", body, c.body)
			}
			for name, want := range c.headers {
				if got := res.Header.Get(name); got != want {
					t.Errorf("%s: %q, want %q", name, got, want)
				}
			}
		})
	}
}

func TestFaultStatus(t *testing.T) {
	s, client := faulty(t)
	for _, c := range []struct {
		status int
		code   string
	}{{503, "SlowDown"}, {500, "InternalError"}, {429, "TooManyRequests"}, {403, "AccessDenied"}, {200, "InternalError"}} {
		f := s.Inject(Match{Key: "object"}, Status(c.status, c.code), Header("Retry-After", "1"))
		res, body, err := request(t, client, "GET", s.URL()+"/bucket/object", "")
		if err != nil || res.StatusCode != c.status || !strings.Contains(body, "<Code>"+c.code+"</Code>") {
			t.Errorf("%d %s: got %v, %v, %q", c.status, c.code, res, err, body)
		}
		if res.Header.Get("Retry-After") != "1" {
			t.Errorf("%d %s: no Retry-After", c.status, c.code)
		}
		f.Remove()
	}
}

func TestFaultGzip(t *testing.T) {
	s, client := faulty(t)
	s.Inject(Match{}, Gzip())
	res, body, err := request(t, client, "GET", s.URL()+"/bucket/object", "", "Range", "bytes=0-9")
	if err != nil || res.Header.Get("Content-Encoding") != "gzip" {
		t.Fatalf("%v, %v", res, err)
	}
	z, err := gzip.NewReader(strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	if data, err := io.ReadAll(z); err != nil || string(data) != "0123456789" {
		t.Errorf("%q, %v", data, err)
	}
}

// A write whose answer is lost has taken effect.
func TestFaultLostWrite(t *testing.T) {
	s, client := faulty(t)
	s.Inject(Match{Op: OpPutObject, Times: 1}, LoseResponse())
	if _, _, err := request(t, client, "PUT", s.URL()+"/bucket/new", "data", "If-None-Match", "*"); err == nil {
		t.Error("the first PUT was answered")
	}
	if data, ok := s.Get("bucket", "new"); !ok || string(data) != "data" {
		t.Errorf("stored %q, %v", data, ok)
	}
	res, _, err := request(t, client, "PUT", s.URL()+"/bucket/new", "data", "If-None-Match", "*")
	if err != nil || res.StatusCode != 412 {
		t.Errorf("the second PUT: %v, %v", res, err)
	}
}

// A write that is reset before it is looked at has none.
func TestFaultResetWrite(t *testing.T) {
	s, client := faulty(t)
	s.Inject(Match{Method: "PUT"}, Reset())
	if _, _, err := request(t, client, "PUT", s.URL()+"/bucket/new", "data"); err == nil {
		t.Error("the PUT was answered")
	}
	if _, ok := s.Get("bucket", "new"); ok {
		t.Error("the PUT took effect")
	}
}

func TestFaultStall(t *testing.T) {
	for _, action := range []Action{Stall(), StallAfter(0), StallAfter(4)} {
		s, client := faulty(t)
		f := s.Inject(Match{}, action)
		got := make(chan error, 1)
		go func() {
			_, body, err := request(t, client, "GET", s.URL()+"/bucket/object", "")
			if err == nil && body != faultyData {
				err = fmt.Errorf("body %q", body)
			}
			got <- err
		}()
		<-f.Stalled()
		select {
		case err := <-got:
			t.Fatalf("answered while stalled: %v", err)
		default:
		}
		f.Release()
		if err := <-got; err != nil {
			t.Error(err)
		}
	}
}

// Close ends what is stalled, with an error and not with a short answer.
func TestFaultStallEndsAtClose(t *testing.T) {
	for _, action := range []Action{Stall(), StallAfter(4)} {
		s, client := faulty(t)
		f := s.Inject(Match{}, action)
		got := make(chan error, 1)
		go func() {
			_, _, err := request(t, client, "GET", s.URL()+"/bucket/object", "")
			got <- err
		}()
		<-f.Stalled()
		if err := s.Close(); err != nil {
			t.Error(err)
		}
		if err := <-got; err == nil {
			t.Error("answered")
		}
	}
}

func TestFaultMatch(t *testing.T) {
	all := func(m Match) string { // which of 5 GETs of ranges of 4 bytes are met
		s, client := faulty(t)
		s.Inject(m, SlowDown())
		out := ""
		for i := range 5 {
			r := fmt.Sprintf("bytes=%d-%d", 4*i, 4*i+3)
			res, _, err := request(t, client, "GET", s.URL()+"/bucket/object", "", "Range", r)
			if err != nil {
				t.Fatal(err)
			}
			out += map[bool]string{true: "x", false: "."}[res.StatusCode == 503]
		}
		return out
	}
	cases := []struct {
		name string
		m    Match
		want string
	}{
		{"everything", Match{}, "xxxxx"},
		{"another key", Match{Key: "objects"}, "....."},
		{"prefix", Match{Key: "obj*"}, "xxxxx"},
		{"another method", Match{Method: "PUT"}, "....."},
		{"another operation", Match{Op: OpHeadObject}, "....."},
		{"another bucket", Match{Bucket: "other"}, "....."},
		{"the third", Match{Skip: 2, Times: 1}, "..x.."},
		{"twice", Match{Times: 2}, "xx..."},
		{"by offset", Match{From: 7, To: 9}, ".xx.."},
		{"the second by offset", Match{From: 7, To: 9, Skip: 1}, "..x.."},
		{"by header", Match{If: func(r *http.Request) bool { return r.Header.Get("Range") == "bytes=0-3" }}, "x...."},
	}
	for _, c := range cases {
		if got := all(c.m); got != c.want {
			t.Errorf("%s: %s, want %s", c.name, got, c.want)
		}
	}
	if a, b := all(Match{Probability: 0.5}), all(Match{Probability: 0.5}); a != b {
		t.Errorf("one seed, two fates: %s, %s", a, b)
	}
}

func TestIgnoreConditions(t *testing.T) {
	s, client := faulty(t)
	f := s.Inject(Match{}, IgnoreConditions())
	for _, want := range []int{200, 412} {
		res, _, err := request(t, client, "GET", s.URL()+"/bucket/object", "", "If-Match", `"stale"`)
		if err != nil || res.StatusCode != want {
			t.Errorf("%v, %v, want %d", res, err, want)
		}
		f.Remove()
	}
}

func TestRedirect(t *testing.T) {
	s, client := faulty(t)
	s.Put("bucket", "other", []byte("elsewhere"))
	f := s.Inject(Match{Key: "object"}, Redirect(307, s.URL()+"/bucket/other"))
	res, body, err := request(t, client, "GET", s.URL()+"/bucket/object", "")
	if err != nil || res.StatusCode != 200 || body != "elsewhere" {
		t.Errorf("got %v, %q, %v", res, body, err)
	}
	f.Remove()
	f = s.Inject(Match{Key: "object"}, Redirect(302, ""))
	if _, _, err := request(t, client, "GET", s.URL()+"/bucket/object", ""); err == nil || f.Hits() < 5 {
		t.Errorf("a loop: %v after %d", err, f.Hits())
	}
}

// An object that is replaced while it is read goes on as it was; who asks again finds the new one.
func TestWhen(t *testing.T) {
	s, client := faulty(t)
	old := s.ETag("bucket", "object")
	s.Inject(Match{Times: 1}, When(10, func() { s.Put("bucket", "object", []byte("new")) }))
	if _, body, err := request(t, client, "GET", s.URL()+"/bucket/object", ""); err != nil || body != faultyData {
		t.Errorf("while it is replaced: %q, %v", body, err)
	}
	if res, _, err := request(t, client, "GET", s.URL()+"/bucket/object", "", "If-Match", old); err != nil || res.StatusCode != 412 {
		t.Errorf("afterwards: %v, %v", res, err)
	}
}
