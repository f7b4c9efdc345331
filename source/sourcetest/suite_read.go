package sourcetest

import (
	"bytes"
	"sync"
	"testing"

	"hydrant/source"
)

func testIdentify(t *testing.T, place placer) {
	p, id := start(t, place)
	if id.Size != blobSize {
		t.Errorf("Size is %d, want %d", id.Size, blobSize)
	}
	if len(id.Tag) == 0 || len(id.Tag) > source.MaxTag {
		t.Errorf("Tag %q has %d bytes", id.Tag, len(id.Tag))
	}
	for _, n := range []int64{0, 1, 16, 4096, blobSize, blobSize + 1, 10 * blobSize} {
		again, first, err := p.Source.Identify(t.Context(), n)
		if err != nil {
			t.Fatalf("Identify(%d): %v", n, err)
		}
		if again != id {
			t.Errorf("Identify(%d): got %v, want %v", n, again, id)
		}
		if int64(len(first)) != min(n, blobSize) {
			t.Errorf("Identify(%d): got %d bytes", n, len(first))
		}
		if err := blob.Check(first, 0); err != nil {
			t.Errorf("Identify(%d): %v", n, err)
		}
	}
}

func testIdentifyEmpty(t *testing.T, place placer) {
	p := place(t, nil)
	defer p.Source.Close()
	for _, n := range []int64{0, 16} {
		id, first, err := p.Source.Identify(t.Context(), n)
		if err != nil || id.Size != 0 || id.Tag == "" || len(first) != 0 {
			t.Errorf("Identify(%d): %+v, %d bytes, %v", n, id, len(first), err)
		}
	}
}

func testRanges(t *testing.T, place placer) {
	p, id := start(t, place)
	ranges := []struct{ off, n int64 }{
		{0, 1}, {0, 16}, {0, blobSize}, // first
		{blobSize - 1, 1}, {blobSize - 4097, 4097}, {1, blobSize - 1}, // last
		{4095, 1}, {4095, 2}, {4096, 4096}, {65535, 65538}, {100_000, 123_457},
	}
	for _, r := range ranges {
		checkRange(t.Context(), t, p.Source, id, r.off, r.n)
	}
	got := make([]byte, 5000)
	if err := source.ReadAll(t.Context(), p.Source, id, got, 777); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, blob.Range(777, 5000)) {
		t.Error("ReadAll gave other bytes")
	}
}

func testConcurrent(t *testing.T, place placer) {
	p, id := start(t, place)
	var wg sync.WaitGroup
	for i := range int64(16) {
		wg.Go(func() {
			for j := range int64(8) {
				checkRange(t.Context(), t, p.Source, id, i*1000+j*20_000, 1+j*3000)
			}
		})
	}
	wg.Wait()
}
