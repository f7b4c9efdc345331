package scheme

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"hydrant/source"
)

func TestOpen(t *testing.T) {
	dir := t.TempDir()
	t.Chdir(dir)
	t.Setenv("AWS_CONFIG_FILE", filepath.Join(dir, "none"))
	for _, name := range []string{"a.db", "x:y", "1:2", "é:f", "a b?#%41"} {
		if err := os.WriteFile(name, []byte("content"), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	tests := []struct{ address, url string }{
		{"a.db", "file://" + dir + "/a.db"},
		{dir + "/a.db", "file://" + dir + "/a.db"},
		{"file:a.db", "file://" + dir + "/a.db"},
		{"FILE:a.db", "file://" + dir + "/a.db"},
		{"file://" + dir + "/a.db", "file://" + dir + "/a.db"},
		{"./x:y", "file://" + dir + "/x:y"},
		{"1:2", "file://" + dir + "/1:2"},
		{"é:f", "file://" + dir + "/%C3%A9:f"},
		{"a b?#%41", "file://" + dir + "/a%20b%3F%23%2541"},
		{"http://h/a", "http://h/a"},
		{"HTTPS://h/a", "https://h/a"},
		{"s3://b/k", "s3://b/k"},
		{"S3://b/k", "s3://b/k"},
	}
	for _, tt := range tests {
		s, err := Open(t.Context(), tt.address, Options{})
		if err != nil {
			t.Errorf("%s: %v", tt.address, err)
			continue
		}
		if s.URL() != tt.url {
			t.Errorf("%s: URL is %s, want %s", tt.address, s.URL(), tt.url)
		}
		s.Close()
	}
}

func TestOpenRefuses(t *testing.T) {
	tests := []struct {
		address string
		want    error
		says    string
	}{
		{"", nil, "no address"},
		{"ftp://h/a", ErrUnknown, `"ftp": want a path, file:, http://`},
		{"x:y", ErrUnknown, "./x:"},
		{"litestream+s3://b/p", ErrNotYet, "litestream+s3: not supported yet"},
		{"litestream+file:p", ErrNotYet, "not supported yet"},
		{"no-such-file", source.ErrNotFound, "no-such-file"},
		{t.TempDir(), nil, "is a directory"},
		{"file://host/a", nil, "is not this machine"},
		{"http:a", nil, "want http://host"},
		{"s3://b", nil, "names no object"},
	}
	for _, tt := range tests {
		s, err := Open(t.Context(), tt.address, Options{})
		if s != nil || err == nil || tt.want != nil && !errors.Is(err, tt.want) || !strings.Contains(err.Error(), tt.says) {
			t.Errorf("%s: got %v, %v; want %v, %q", tt.address, s, err, tt.want, tt.says)
		}
	}
}
