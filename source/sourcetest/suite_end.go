package sourcetest

import (
	"context"
	"errors"
	"io"
	"testing"

	"hydrant/internal/pattern"
	"hydrant/source"
)

func testChanged(t *testing.T, place placer) {
	p, id := start(t, place)
	p.Replace(pattern.Blob{Seed: 1}.Bytes(blobSize))
	wantFinal(t, readErr(t.Context(), t, p.Source, id, 0, 4096), source.ErrChanged)
	wantFinal(t, readErr(t.Context(), t, p.Source, id, 8192, 1), source.ErrChanged)
}

func testChangedSize(t *testing.T, place placer) {
	p, id := start(t, place)
	p.Replace(pattern.Blob{Seed: 1}.Bytes(1000))
	wantFinal(t, readErr(t.Context(), t, p.Source, id, 0, 10), source.ErrChanged)
	wantFinal(t, readErr(t.Context(), t, p.Source, id, 200_000, 10), source.ErrChanged)
}

// A blob that is identified again after a change is another version, and can be read as such.
func testOtherIdentity(t *testing.T, place placer) {
	p, old := start(t, place)
	other := pattern.Blob{Seed: 1}
	p.Replace(other.Bytes(blobSize + 1))
	id, _, err := p.Source.Identify(t.Context(), 1)
	if errors.Is(err, source.ErrChanged) {
		return // a source may refuse to look at another version; it is opened anew then
	}
	if err != nil {
		t.Fatal(err)
	}
	if id == old || id.Size != blobSize+1 {
		t.Fatalf("after the change: %v, before: %v", id, old)
	}
	got := make([]byte, 100)
	if err := source.ReadAll(t.Context(), p.Source, id, got, 5000); err != nil {
		t.Fatal(err)
	}
	if err := other.Check(got, 5000); err != nil {
		t.Error(err)
	}
	wantFinal(t, readErr(t.Context(), t, p.Source, old, 100_000, 10), source.ErrChanged)
}

func testMissing(t *testing.T, place placer) {
	p, id := start(t, place)
	p.Remove()
	if _, _, err := p.Source.Identify(t.Context(), 16); !errors.Is(err, source.ErrChanged) {
		wantFinal(t, err, source.ErrNotFound)
	}
	err := readErr(t.Context(), t, p.Source, id, 50_000, 10)
	if !errors.Is(err, source.ErrChanged) {
		wantFinal(t, err, source.ErrNotFound)
	}
}

func testCancelled(t *testing.T, place placer) {
	p, id := start(t, place)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, _, err := p.Source.Identify(ctx, 16); !errors.Is(err, context.Canceled) {
		t.Errorf("Identify: got %v, want context.Canceled", err)
	}
	wantFinal(t, readErr(ctx, t, p.Source, id, 0, 16), context.Canceled)

	// A ctx that ends while a body is read. What had arrived by then may still be read.
	ctx, cancel = context.WithCancel(t.Context())
	defer cancel()
	r, err := p.Source.ReadRange(ctx, id, 0, blobSize)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if _, err := io.ReadFull(r, make([]byte, 10)); err != nil {
		t.Fatal(err)
	}
	cancel()
	if _, err := io.Copy(io.Discard, r); err != nil {
		wantFinal(t, err, context.Canceled)
	}
	checkRange(t.Context(), t, p.Source, id, 0, 100) // others are not affected
}

func testCloseEarly(t *testing.T, place placer) {
	p, id := start(t, place)
	for i := range int64(20) {
		r, err := p.Source.ReadRange(t.Context(), id, i, blobSize-i)
		if err != nil {
			t.Fatal(err)
		}
		got := make([]byte, i)
		if _, err := io.ReadFull(r, got); err != nil {
			t.Fatal(err)
		}
		if err := r.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
		if err := r.Close(); err != nil {
			t.Errorf("second Close: %v", err)
		}
		if err := blob.Check(got, i); err != nil {
			t.Error(err)
		}
	}
	checkRange(t.Context(), t, p.Source, id, 0, blobSize)
}

func testClose(t *testing.T, place placer) {
	p, id := start(t, place)
	r, err := p.Source.ReadRange(t.Context(), id, 0, blobSize)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	for range 2 {
		if err := p.Source.Close(); err != nil {
			t.Errorf("Close: %v", err)
		}
	}
	if _, err := io.Copy(io.Discard, r); err == nil {
		t.Error("a reader goes on after Close")
	}
	if _, _, err := p.Source.Identify(t.Context(), 1); err == nil {
		t.Error("Identify works after Close")
	}
	if err := readErr(t.Context(), t, p.Source, id, 0, 1); err == nil {
		t.Error("ReadRange works after Close")
	}
}
