package scheme

import (
	"net/url"
	"strings"
	"testing"
)

// FuzzSchemeOf: what is taken for a scheme is one to everybody else, and no path is.
func FuzzSchemeOf(f *testing.F) {
	for _, s := range []string{"", ":", "a", "s3://b/k", "FILE:a", "./x:y", "litestream+s3://b", "1a:b", "é:x", "/a:b"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		scheme := schemeOf(s)
		if scheme == "" {
			return
		}
		if len(s) <= len(scheme) || !strings.EqualFold(s[:len(scheme)], scheme) || s[len(scheme)] != ':' || strings.ContainsAny(scheme, "/\\ ") {
			t.Fatalf("%q: scheme %q", s, scheme)
		}
		if u, err := url.Parse(scheme + "://h/p"); err != nil || u.Scheme != scheme {
			t.Fatalf("%q: scheme %q is %v to others, %v", s, scheme, u, err)
		}
	})
}
