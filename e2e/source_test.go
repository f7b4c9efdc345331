//go:build e2e

package e2e

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"hydrant/source"
	"hydrant/source/s3"
)

// TestSource reads an object of the real server as a clone would, and notices when it is replaced.
func TestSource(t *testing.T) {
	srv := startServer(t)
	srv.setenv(t)
	data := bytes.Repeat([]byte("hydrant "), 1<<17)
	path := filepath.Join(t.TempDir(), "blob")
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
	srv.putFile(t, "bucket", "dir/a blob", path)

	src, err := s3.Open(t.Context(), srv.source("bucket", "dir/a blob"), s3.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer src.Close()
	id, first, err := src.Identify(t.Context(), 100)
	if err != nil {
		t.Fatal(err)
	}
	if id.Size != int64(len(data)) || !bytes.Equal(first, data[:100]) {
		t.Errorf("identity %+v, first bytes %q", id, first)
	}
	got := make([]byte, 1000)
	if err := source.ReadAll(t.Context(), src, id, got, 4321); err != nil || !bytes.Equal(got, data[4321:5321]) {
		t.Errorf("a range differs, %v", err)
	}

	data[4321]++
	if err := os.WriteFile(path, data, 0o600); err != nil {
		t.Fatal(err)
	}
	srv.putFile(t, "bucket", "dir/a blob", path)
	if err := source.ReadAll(t.Context(), src, id, got, 4321); !errors.Is(err, source.ErrChanged) {
		t.Errorf("replaced object: %v, want %v", err, source.ErrChanged)
	}
}
