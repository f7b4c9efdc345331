package s3

import (
	"strings"
	"testing"

	"hydrant/source"
)

func TestParseURL(t *testing.T) {
	tests := []struct{ url, canonical, err string }{
		{"s3://b/k", "s3://b/k", ""},
		{"s3://b.c-d_e/dir/k.db", "s3://b.c-d_e/dir/k.db", ""},
		{"s3://b//k", "s3://b//k", ""},
		{"s3://b/a b%3F%25+c", "s3://b/a%20b%3F%25+c", ""},
		{"s3://b/k?region=eu-west-1&endpoint=http%3A%2F%2Fh%3A9000%2F", "s3://b/k?endpoint=http://h:9000&region=eu-west-1", ""},
		{"s3://b/k?endpoint=https://h/p&path-style=1", "s3://b/k?endpoint=https://h/p&path-style=true", ""},
		{"s3://b/k?path-style=false&versionId=v/1%26&profile=p", "s3://b/k?path-style=false&profile=p&versionId=v/1%26", ""},
		{"s3://b", "", "names no object"},
		{"s3://b/", "", "names no object"},
		{"s3:///k", "", "is not the name of a bucket"},
		{"s3:b/k", "", "want s3://bucket/key"},
		{"http://b/k", "", "want s3://bucket/key"},
		{"s3://b/k#x", "", "write %23"},
		{"s3://b/k#", "", "write %23"},
		{"s3://b/100%", "", "invalid URL escape"},
		{"s3://id:hush@b/k", "", "credentials do not belong"},
		{"s3://b:80/k", "", "is not the name of a bucket"},
		{"s3://b/k?color=red", "", `unknown option "color"`},
		{"s3://b/k?region=", "", "option region wants one value"},
		{"s3://b/k?region=a&region=b", "", "option region wants one value"},
		{"s3://b/k?path-style=maybe", "", `"maybe" is neither true nor false`},
		{"s3://b/k?endpoint=h:9000", "", "want http://host"},
		{"s3://b/k?endpoint=http://u:hush@h", "", "credentials do not belong"},
		{"s3://b/k?endpoint=http://u:hush%25@h", "", "endpoint"},
		{"s3://b/" + strings.Repeat("k", 3000), "", "at most 2048"},
	}
	for _, tt := range tests {
		a, err := ParseURL(tt.url)
		if (err == nil) != (tt.err == "") || err != nil && !strings.Contains(err.Error(), tt.err) {
			t.Errorf("%s: got error %v, want %q", tt.url, err, tt.err)
		}
		if err == nil && a.String() != tt.canonical {
			t.Errorf("%s: is %s, want %s", tt.url, a, tt.canonical)
		}
		if err != nil && strings.Contains(err.Error(), "hush") {
			t.Errorf("%s: %v tells a secret", tt.url, err)
		}
	}
}

func FuzzParseURL(f *testing.F) {
	for _, s := range []string{
		"s3://b/k", "s3://b/%2F%3f", "s3://b/k?endpoint=http://[::1]:9000/x&path-style=t", "s3://b/k?versionId=%00",
		"s3://b//", "s3://b/k?region=%zz", "s3://b/k?;", "s3://B_/é",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		a, err := ParseURL(s)
		if err != nil {
			return
		}
		again, err := ParseURL(a.String())
		if err != nil || again.String() != a.String() || again.Key != a.Key || again.VersionID != a.VersionID {
			t.Fatalf("%q is %q, which is %q, %v", s, a, again, err)
		}
		if len(a.String()) > source.MaxURL {
			t.Fatalf("URL has %d bytes", len(a.String()))
		}
	})
}
