package sourcetest

import (
	"bytes"
	"context"
	"errors"
	"testing"

	"hydrant/source"
)

// testBeside is for sources that have the power, and those that can be given something to find there.
func testBeside(t *testing.T, place placer) {
	p, id := start(t, place)
	s, ok := source.As[source.Sidecar](p.Source)
	if !ok {
		t.Skip("no sidecar")
	}
	const suffix = ".a-thing"
	if _, err := s.ReadBeside(t.Context(), suffix, 100); !errors.Is(err, source.ErrNotFound) && !errors.Is(err, source.ErrDenied) {
		t.Errorf("nothing is there, and the error is %v", err)
	}
	put := p.PutBeside
	if w, ok := source.As[source.SidecarWriter](p.Source); ok {
		put = func(suffix string, b []byte) {
			t.Helper()
			if err := w.WriteBeside(t.Context(), suffix, b); err != nil {
				t.Fatal(err)
			}
		}
		ctx, cancel := context.WithCancel(t.Context())
		cancel()
		wantFinal(t, w.WriteBeside(ctx, suffix, []byte("no")), context.Canceled)
	}
	if put == nil {
		t.Fatal("nothing can be put there, not even by its owner")
	}
	// Larger than one read, then smaller: nothing of the former is left.
	for _, want := range [][]byte{blob.Bytes(64 << 10), []byte("short"), {}} {
		put(suffix, want)
		for _, most := range []int64{int64(len(want)), 1 << 20} {
			if got, err := s.ReadBeside(t.Context(), suffix, most); err != nil || !bytes.Equal(got, want) {
				t.Errorf("wrote %d bytes, got %d, %v", len(want), len(got), err)
			}
		}
		if len(want) == 0 {
			continue
		}
		got, err := s.ReadBeside(t.Context(), suffix, int64(len(want))-1)
		if !errors.Is(err, source.ErrBadAnswer) || got != nil {
			t.Errorf("%d bytes where one less is allowed: got %d, %v", len(want), len(got), err)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	_, err := s.ReadBeside(ctx, suffix, 100)
	wantFinal(t, err, context.Canceled)

	// It is not the blob, and the blob is what it was.
	if again, _, err := p.Source.Identify(t.Context(), 1); err != nil || again != id {
		t.Errorf("the blob is %v now, was %v; %v", again, id, err)
	}
	checkRange(t.Context(), t, p.Source, id, 1000, 5000)
	if err := p.Source.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := s.ReadBeside(t.Context(), suffix, 100); err == nil {
		t.Error("ReadBeside works after Close")
	}
}
