// Package file is a source that is a file on this machine.
package file

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"

	"hydrant/source"
)

// Source is an open file. The file is opened once, so what is read is one inode; that its path
// still leads there is asked on every call, since a blob that was replaced is another blob.
type Source struct {
	path string // absolute
	f    *os.File
}

// Open opens the file at path for reading. A symlink is followed. Directories and everything
// else that is not a regular file are refused.
func Open(path string) (*Source, error) {
	abs, err := filepath.Abs(path)
	if err != nil {
		return nil, fmt.Errorf("open source %s: %w", path, err)
	}
	// O_NONBLOCK: a FIFO without a writer is refused below, not waited for.
	f, err := os.OpenFile(abs, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, fmt.Errorf("open source %s: %w", path, classify(err))
	}
	if err := checkRegular(f); err != nil {
		f.Close()
		return nil, fmt.Errorf("open source %s: %w", path, err)
	}
	return &Source{path: abs, f: f}, nil
}

func checkRegular(f *os.File) error {
	fi, err := f.Stat()
	switch {
	case err != nil:
		return classify(err)
	case fi.IsDir():
		return errors.New("is a directory: name the file in it")
	case !fi.Mode().IsRegular():
		return errors.New("is not a regular file")
	}
	return nil
}

// URL implements source.Source: an absolute file: URL.
func (s *Source) URL() string { return URL(s.path) }

// LocalPath implements source.Localer. The path is absolute.
func (s *Source) LocalPath() string { return s.path }

// Identify implements source.Source.
func (s *Source) Identify(ctx context.Context, n int64) (source.Identity, []byte, error) {
	id, first, err := s.identify(ctx, n)
	if err != nil {
		return source.Identity{}, nil, fmt.Errorf("identify %s: %w", s.path, err)
	}
	return id, first, nil
}

func (s *Source) identify(ctx context.Context, n int64) (source.Identity, []byte, error) {
	if err := ctx.Err(); err != nil {
		return source.Identity{}, nil, err
	}
	id, err := s.current()
	if err != nil {
		return id, nil, err
	}
	first := make([]byte, max(min(n, id.Size), 0))
	if _, err := io.ReadFull(io.NewSectionReader(s.f, 0, id.Size), first); err != nil {
		return id, nil, short(err)
	}
	return id, first, s.verify(id)
}

// ReadRange implements source.Source. The identity is checked before the first byte and after
// each Read, before its bytes are given out.
func (s *Source) ReadRange(ctx context.Context, id source.Identity, off, n int64) (io.ReadCloser, error) {
	r := &reader{ctx: ctx, s: s, id: id, off: off, left: n}
	if off < 0 || n <= 0 || off > id.Size-n {
		return nil, r.fail(fmt.Errorf("range of %d bytes is not inside %d", n, id.Size))
	}
	if err := ctx.Err(); err != nil {
		return nil, r.fail(err)
	}
	if err := s.verify(id); err != nil {
		return nil, r.fail(err)
	}
	return r, nil
}

// WithFile implements source.Opened.
func (s *Source) WithFile(id source.Identity, f func(fd uintptr) error) error {
	conn, err := s.f.SyscallConn()
	if err != nil {
		return err
	}
	if err := s.verify(id); err != nil {
		return fmt.Errorf("copy %s: %w", s.path, err)
	}
	var failed error
	if err := conn.Control(func(fd uintptr) { failed = f(fd) }); err != nil {
		return err
	}
	if failed != nil {
		return failed
	}
	if err := s.verify(id); err != nil {
		return fmt.Errorf("copy %s: %w", s.path, err)
	}
	return nil
}

// Close implements source.Source.
func (s *Source) Close() error {
	if err := s.f.Close(); err != nil && !errors.Is(err, fs.ErrClosed) {
		return err
	}
	return nil
}
