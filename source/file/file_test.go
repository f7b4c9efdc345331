package file

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"hydrant/internal/pattern"
	"hydrant/source"
	"hydrant/source/sourcetest"
)

func open(t *testing.T, content []byte) (*Source, string) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "a blob?#%41.db")
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
	age(t, path)
	s, err := Open(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s, path
}

// age makes the file look old, so that a change after it is never in the same tick.
func age(t *testing.T, path string) {
	t.Helper()
	if err := os.Chtimes(path, time.Time{}, time.Unix(1e9, 0)); err != nil {
		t.Fatal(err)
	}
}

func TestSuite(t *testing.T) {
	for name, replace := range map[string]func(path string, content []byte) error{
		"InPlace": func(path string, content []byte) error { return os.WriteFile(path, content, 0o600) },
		"Renamed": func(path string, content []byte) error {
			return errors.Join(os.WriteFile(path+"~", content, 0o600), os.Rename(path+"~", path))
		},
	} {
		t.Run(name, func(t *testing.T) {
			sourcetest.Run(t, func(t *testing.T, content []byte) sourcetest.Place {
				s, path := open(t, content)
				return sourcetest.Place{
					Source: s,
					Replace: func(content []byte) {
						if err := replace(path, content); err != nil {
							t.Fatal(err)
						}
					},
					Remove: func() { os.Remove(path) },
					Reopen: func(url string) (source.Source, error) {
						path, err := ParseURL(url)
						if err != nil {
							return nil, err
						}
						return Open(path)
					},
				}
			})
		})
	}
}

func TestOpenRefuses(t *testing.T) {
	dir := t.TempDir()
	fifo := filepath.Join(dir, "fifo")
	if err := syscall.Mkfifo(fifo, 0o600); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]string{
		dir:                        "is a directory",
		fifo:                       "not a regular file",
		os.DevNull:                 "not a regular file",
		filepath.Join(dir, "none"): "not found",
	} {
		s, err := Open(path)
		if err == nil {
			s.Close()
		}
		if err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), path) {
			t.Errorf("%s: got %v, want %q", path, err, want)
		}
	}
}

// A change while a range is read is found before any of its bytes is given out.
func TestChangedWhileReading(t *testing.T) {
	b := pattern.Blob{Seed: 1}
	changes := map[string]func(path string) error{
		"written":   func(path string) error { return os.WriteFile(path, make([]byte, 100_000), 0o600) },
		"cut":       func(path string) error { return os.Truncate(path, 50) },
		"cut later": func(path string) error { return os.Truncate(path, 90_000) },
		"replaced": func(path string) error {
			return errors.Join(os.Remove(path), os.WriteFile(path, b.Bytes(100_000), 0o600))
		},
	}
	for name, change := range changes {
		t.Run(name, func(t *testing.T) {
			s, path := open(t, b.Bytes(100_000))
			id, _, err := s.Identify(t.Context(), 0)
			if err != nil {
				t.Fatal(err)
			}
			r, err := s.ReadRange(t.Context(), id, 0, 80_000)
			if err != nil {
				t.Fatal(err)
			}
			defer r.Close()
			if _, err := io.ReadFull(r, make([]byte, 10)); err != nil {
				t.Fatal(err)
			}
			if err := change(path); err != nil {
				t.Fatal(err)
			}
			got, err := io.ReadAll(r)
			if len(got) != 0 || !errors.Is(err, source.ErrChanged) {
				t.Errorf("got %d bytes, %v", len(got), err)
			}
		})
	}
}

func TestHolesAreZeros(t *testing.T) {
	s, path := open(t, nil)
	if err := os.Truncate(path, 1<<20); err != nil {
		t.Fatal(err)
	}
	id, _, err := s.Identify(t.Context(), 0)
	if err != nil {
		t.Fatal(err)
	}
	got := make([]byte, 1<<20)
	if err := source.ReadAll(t.Context(), s, id, got, 0); err != nil {
		t.Fatal(err)
	}
	if err := (pattern.Blob{ZeroEvery: 1}).Check(got, 0); err != nil {
		t.Error(err)
	}
}

func TestLocalPath(t *testing.T) {
	s, path := open(t, nil)
	l, ok := source.As[source.Localer](s)
	if !ok || l.LocalPath() != path {
		t.Errorf("got %v, want %s", l, path)
	}
}
