package sourcetest

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"sync"

	"hydrant/source"
)

// FakeSidecar is a Fake that can have files beside its blob, and be given some. What is asked of it
// is in the Fake's log, and faults are the Fake's.
type FakeSidecar struct {
	*Fake
	mu    sync.Mutex
	files map[string][]byte // by suffix
}

// WithSidecar gives f that power. There is nothing beside it yet.
func WithSidecar(f *Fake) *FakeSidecar { return &FakeSidecar{Fake: f, files: make(map[string][]byte)} }

// Beside returns what lies beside the blob, nil for nothing. It costs no request.
func (s *FakeSidecar) Beside(suffix string) []byte {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.files[suffix]
}

// SetBeside puts b there. It costs no request.
func (s *FakeSidecar) SetBeside(suffix string, b []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.files[suffix] = bytes.Clone(b)
}

// ReadBeside implements source.Sidecar.
func (s *FakeSidecar) ReadBeside(ctx context.Context, suffix string, most int64) ([]byte, error) {
	b := s.begin(ctx, Request{Beside: suffix, Len: most})
	defer b.Close()
	if err := b.open(); err != nil {
		return nil, fmt.Errorf("read %s%s: %w", s.URL(), suffix, err)
	}
	content := s.Beside(suffix)
	if content == nil {
		return nil, fmt.Errorf("read %s%s: %w", s.URL(), suffix, source.ErrNotFound)
	}
	b.content, b.left = bytes.NewReader(content), int64(len(content))
	return source.ReadShort(io.Reader(b), most)
}

// WriteBeside implements source.SidecarWriter.
func (s *FakeSidecar) WriteBeside(ctx context.Context, suffix string, content []byte) error {
	b := s.begin(ctx, Request{Beside: suffix, Len: int64(len(content))})
	defer b.Close()
	if err := b.open(); err != nil {
		return fmt.Errorf("write %s%s: %w", s.URL(), suffix, err)
	}
	s.SetBeside(suffix, content)
	return nil
}
