package http

import (
	"strings"
	"testing"

	"hydrant/source"
)

func TestParse(t *testing.T) {
	tests := []struct{ url, show, err string }{
		{"http://h/a.db", "http://h/a.db", ""},
		{"https://h:8443/a%20b?id=7&x=%26#", "https://h:8443/a%20b?id=7&x=%26", ""},
		{"http://u:hush@h/a", "http://h/a", ""},
		{"http://h/a?", "http://h/a", ""},
		{"https://b.s3.amazonaws.com/k?X-Amz-Algorithm=A&X-Amz-Signature=hush&versionId=3&x-id=GetObject", "https://b.s3.amazonaws.com/k?versionId=3&x-id=GetObject", ""},
		{"https://h/k?x-goog-credential=a&X-Goog-Signature=hush", "https://h/k", ""},
		{"https://a.blob.core.windows.net/c/k?sv=2024&sr=b&sig=hush&snapshot=1", "https://a.blob.core.windows.net/c/k?snapshot=1", ""},
		{"https://h/k?sv=2024&sr=b", "https://h/k?sv=2024&sr=b", ""},
		{"https://d.cloudfront.net/k?Expires=1&Signature=hush&Key-Pair-Id=K", "https://d.cloudfront.net/k", ""},
		{"https://h/k?acc%65ss_token=hush&id=1", "https://h/k?id=1", ""},
		{"https://h/k?%zz=hush", "https://h/k?%zz=hush", ""},
		{"http:///a", "", "want http://host"},
		{"http:a", "", "want http://host"},
		{"ftp://h/a", "", "want http://host"},
		{"http://h/a#b", "", "write %23"},
		{"http://u:hush@h:port/", "", "invalid port"},
		{"http://h/" + strings.Repeat("k", 3000), "", "at most 2048"},
	}
	for _, tt := range tests {
		ask, show, err := parse(tt.url)
		if (err == nil) != (tt.err == "") || err != nil && !strings.Contains(err.Error(), tt.err) {
			t.Errorf("%s: got error %v, want %q", tt.url, err, tt.err)
		}
		if err != nil && strings.Contains(err.Error(), "hush") {
			t.Errorf("%s: %v tells a secret", tt.url, err)
		}
		if err == nil && show.String() != tt.show {
			t.Errorf("%s: shown as %s, want %s", tt.url, show, tt.show)
		}
		if err == nil && strings.Contains(tt.url, "hush") && !strings.Contains(ask.String(), "hush") {
			t.Errorf("%s: asked as %s", tt.url, ask)
		}
	}
}

func FuzzParse(f *testing.F) {
	for _, s := range []string{"http://h", "https://u:p@h/x?sig=1&a=2", "http://[::1]/%2f?&&=&", "http://h/?X-Amz-%53ignature=1", "http://h/#"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		_, show, err := parse(s)
		if err != nil {
			return
		}
		if len(show.String()) > source.MaxURL || show.User != nil {
			t.Fatalf("%q is shown as %q", s, show)
		}
		_, again, err := parse(show.String())
		if err != nil || again.String() != show.String() {
			t.Fatalf("%q is shown as %q, which is shown as %q, %v", s, show, again, err)
		}
	})
}

func TestIsStrong(t *testing.T) {
	for s, want := range map[string]bool{
		`"a"`: true, `""`: true, `"é"`: true, `W/"a"`: false, `a`: false, `"`: false, ``: false,
		`"a" "b"`: false, `"a`: false, "\"a\nb\"": false, `"a","b"`: false,
	} {
		if isStrong(s) != want {
			t.Errorf("%q: strong is %v", s, !want)
		}
	}
}
