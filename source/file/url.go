package file

import (
	"errors"
	"fmt"
	"net/url"
	"strings"
)

// URL returns the file: URL of an absolute path.
func URL(path string) string { return (&url.URL{Scheme: "file", Path: path}).String() }

// ParseURL returns the path that a file: URL names. Besides file:///path, SQLite's short forms
// file:/path and file:relative are understood.
func ParseURL(s string) (string, error) {
	path, err := parseURL(s)
	if err != nil {
		return "", fmt.Errorf("source %q: %w", s, err)
	}
	return path, nil
}

func parseURL(s string) (string, error) {
	rest, ok := strings.CutPrefix(s, "file:")
	if !ok {
		return "", errors.New("is not a file: URL")
	}
	if i := strings.IndexAny(rest, "?#"); i >= 0 {
		return "", fmt.Errorf("nothing may follow the path, write %%%02X for a %q in it", rest[i], rest[i])
	}
	if authority, ok := strings.CutPrefix(rest, "//"); ok {
		host, path, _ := strings.Cut(authority, "/")
		if host != "" && host != "localhost" {
			return "", fmt.Errorf("host %q is not this machine, write file:/// and the path", host)
		}
		rest = "/" + path
	}
	path, err := url.PathUnescape(rest)
	switch {
	case err != nil:
		return "", err
	case path == "" || path == "/":
		return "", errors.New("names no file")
	case strings.ContainsRune(path, 0):
		return "", errors.New("has a zero byte in its path")
	}
	return path, nil
}
