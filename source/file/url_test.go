package file

import (
	"strings"
	"testing"
)

func TestParseURL(t *testing.T) {
	tests := []struct{ url, path, err string }{
		{"file:///data/a.db", "/data/a.db", ""},
		{"file:/data/a.db", "/data/a.db", ""},
		{"file:a.db", "a.db", ""},
		{"file:../a%20b%3F.db", "../a b?.db", ""},
		{"file://localhost/data/a.db", "/data/a.db", ""},
		{"file://other/data/a.db", "", `host "other" is not this machine`},
		{"file:a.db?mode=ro", "", "write %3F for a '?'"},
		{"file:a#b", "", "write %23"},
		{"file:", "", "names no file"},
		{"file:///", "", "names no file"},
		{"file:a%zz", "", "invalid URL escape"},
		{"file:a%00b", "", "zero byte"},
		{"http://x", "", "is not a file: URL"},
	}
	for _, tt := range tests {
		path, err := ParseURL(tt.url)
		if path != tt.path || (err == nil) != (tt.err == "") || err != nil && !strings.Contains(err.Error(), tt.err) {
			t.Errorf("%s: got %q, %v; want %q, %q", tt.url, path, err, tt.path, tt.err)
		}
	}
}

func FuzzParseURL(f *testing.F) {
	for _, s := range []string{"file:///a", "file:a", "file:%41", "file://h/x", "file:a?b", "file:///a#b", "file:/%2F", "file:"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		path, err := ParseURL(s)
		if err != nil || !strings.HasPrefix(path, "/") {
			return
		}
		again, err := ParseURL(URL(path))
		if err != nil || again != path {
			t.Fatalf("%q is %q, whose URL %q is %q, %v", s, path, URL(path), again, err)
		}
	})
}
