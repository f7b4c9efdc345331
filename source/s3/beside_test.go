package s3_test

import (
	"errors"
	"strings"
	"testing"

	"hydrant/internal/s3test"
	"hydrant/source"
	"hydrant/source/s3"
)

// Who may read one version of one object, and nothing else, is told so, and asks for no version of
// what lies beside it.
func TestBesideAVersion(t *testing.T) {
	s := start(t)
	s.SetVersioning("b")
	s.Put("b", "a b/é+?.db", blob.Bytes(1000))
	first, err := s3.Open(t.Context(), s.Source("b", "a b/é+?.db"), s3.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer first.Close()
	if err := first.WriteBeside(t.Context(), ".x", []byte("old")); err != nil {
		t.Fatal(err)
	}
	if err := first.WriteBeside(t.Context(), ".x", []byte("new")); err != nil {
		t.Fatal(err)
	}
	if got, ok := s.Get("b", "a b/é+?.db.x"); !ok || string(got) != "new" {
		t.Errorf("the server has %q", got)
	}
	a, err := s3.ParseURL(first.URL())
	if err != nil {
		t.Fatal(err)
	}
	a.VersionID = "null"
	src, err := s3.Open(t.Context(), a.String(), s3.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer src.Close()
	if got, err := src.ReadBeside(t.Context(), ".x", 100); err != nil || string(got) != "new" {
		t.Errorf("got %q, %v", got, err)
	}
	s.Inject(s3test.Match{}, s3test.Status(403, "AccessDenied"))
	if _, err := src.ReadBeside(t.Context(), ".x", 100); !errors.Is(err, source.ErrDenied) {
		t.Errorf("not allowed to read: %v", err)
	}
	err = src.WriteBeside(t.Context(), ".x", nil)
	if !errors.Is(err, source.ErrDenied) || !strings.Contains(err.Error(), "s3:PutObject") || strings.Contains(err.Error(), "s3:GetObject") {
		t.Errorf("not allowed to write: %v", err)
	}
}
