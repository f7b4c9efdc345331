package file

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"

	"hydrant/source"
)

// ReadBeside implements source.Sidecar.
func (s *Source) ReadBeside(ctx context.Context, suffix string, most int64) ([]byte, error) {
	b, err := s.readBeside(ctx, s.path+suffix, most)
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", s.path+suffix, err)
	}
	return b, nil
}

func (s *Source) readBeside(ctx context.Context, path string, most int64) ([]byte, error) {
	if err := s.alive(ctx); err != nil {
		return nil, err
	}
	f, err := os.OpenFile(path, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, classify(err)
	}
	defer f.Close()
	if err := checkRegular(f); err != nil {
		return nil, err
	}
	return source.ReadShort(f, most)
}

// WriteBeside implements source.SidecarWriter.
func (s *Source) WriteBeside(ctx context.Context, suffix string, b []byte) error {
	if err := s.alive(ctx); err != nil {
		return fmt.Errorf("write %s: %w", s.path+suffix, err)
	}
	if err := writeWhole(s.path+suffix, b); err != nil {
		return fmt.Errorf("write %s: %w", s.path+suffix, err)
	}
	return nil
}

// alive returns why nothing is to be done any more.
func (s *Source) alive(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	_, err := s.f.Stat() // fs.ErrClosed after Close
	return err
}

// writeWhole makes b the file at path, under another name first.
func writeWhole(path string, b []byte) (err error) {
	f, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".*.new")
	if err != nil {
		return err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, os.Remove(f.Name()))
		}
	}()
	_, err = f.Write(b)
	if err == nil {
		err = f.Chmod(0o644)
	}
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return err
	}
	return os.Rename(f.Name(), path)
}
