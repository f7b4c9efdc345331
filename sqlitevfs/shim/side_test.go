package shim

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"hydrant/clone"
	"hydrant/source/file"
)

// While a clone is being closed another process may complete it, and what was a side file's private
// name a moment ago may be nobody's. Then nobody is told a name: our own connection, which closing
// waits for, has an error, and others wait until it is closed.
func TestNamesWhileClosing(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "app.db")
	if err := os.WriteFile(filepath.Join(dir, "source"), make([]byte, 1<<20), 0o600); err != nil {
		t.Fatal(err)
	}
	closing, finish := make(chan struct{}), make(chan struct{})
	open := func() (*engine, error) {
		src, err := file.Open(filepath.Join(dir, "source"))
		if err != nil {
			return nil, err
		}
		off := false
		c, err := clone.OpenPath(context.Background(), src, path, &clone.Options{Knobs: clone.Knobs{Hydration: &off}})
		if err != nil {
			return nil, err
		}
		e := newEngine(request{path: path}, &params{})
		e.clone, e.blob = c, closer{func() {
			if err := c.Close(); err != nil {
				t.Error(err)
			}
			close(closing)
			<-finish
		}}
		return e, e.share()
	}
	e, err := engines.acquire(path, open)
	if err != nil {
		t.Fatal(err)
	}
	s := &side{public: path + walSuffix, base: path, suffix: walSuffix}
	told := make(chan bool, 2)
	tell := func(private bool) error { told <- private; return nil }
	if err := s.with(tell); err != nil || !<-told {
		t.Fatalf("while it is open the name is private: %v", err)
	}
	released := make(chan struct{})
	go func() { engines.release(e); close(released) }()
	<-closing
	e.own.Store(true)
	if err := s.with(tell); !errors.Is(err, clone.ErrClosed) {
		t.Errorf("our own connection: %v, want ErrClosed", err)
	}
	e.own.Store(false)
	done := make(chan error, 1)
	go func() { done <- s.with(tell) }()
	select {
	case private := <-told:
		t.Errorf("a name was told while the clone was being closed: private %v", private)
	case <-time.After(20 * time.Millisecond):
	}
	close(finish)
	if err := <-done; err != nil {
		t.Error(err)
	}
	if !<-told {
		t.Error("the clone is not complete, and the name is public")
	}
	<-released
}
