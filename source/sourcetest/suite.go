package sourcetest

import (
	"bytes"
	"context"
	"errors"
	"io"
	"testing"

	"hydrant/internal/pattern"
	"hydrant/source"
)

// Place is where a source under test keeps its blob.
type Place struct {
	// Source is open on the blob. Run closes it.
	Source source.Source
	// Replace puts other content in place of the blob, as its owner would.
	Replace func(content []byte)
	// Remove takes the blob away.
	Remove func()
	// Reopen opens another source by its URL. nil: the source has no URL of its own, as a wrapper.
	Reopen func(url string) (source.Source, error)
	// PutBeside puts a file beside the blob, as its owner would. nil: the source can do that itself, or
	// cannot read what lies there.
	PutBeside func(suffix string, content []byte)
}

// Run checks that sources keep the contract of source.Source. place puts content somewhere and
// opens a source on it; it is called once for each test.
func Run(t *testing.T, place func(t *testing.T, content []byte) Place) {
	for name, test := range tests {
		t.Run(name, func(t *testing.T) { test(t, place) })
	}
}

type placer = func(t *testing.T, content []byte) Place

var tests = map[string]func(*testing.T, placer){
	"Identify":      testIdentify,
	"IdentifyEmpty": testIdentifyEmpty,
	"Ranges":        testRanges,
	"Concurrent":    testConcurrent,
	"URL":           testURL,
	"Changed":       testChanged,
	"ChangedSize":   testChangedSize,
	"OtherIdentity": testOtherIdentity,
	"Missing":       testMissing,
	"Cancelled":     testCancelled,
	"CloseEarly":    testCloseEarly,
	"Beside":        testBeside,
	"Close":         testClose,
}

// blobSize is odd, so that nothing is a multiple of anything.
const blobSize = 300_001

var blob = pattern.Blob{Seed: 0x5eed, ZeroEvery: 5, ZeroRun: 4096}

// start places blob and identifies it.
func start(t *testing.T, place placer) (Place, source.Identity) {
	t.Helper()
	p := place(t, blob.Bytes(blobSize))
	t.Cleanup(func() { p.Source.Close() })
	id, _, err := p.Source.Identify(t.Context(), 1)
	if err != nil {
		t.Fatalf("Identify: %v", err)
	}
	return p, id
}

// checkRange reads a range, and checks its content and that nothing follows it.
func checkRange(ctx context.Context, t *testing.T, s source.Source, id source.Identity, off, n int64) {
	t.Helper()
	r, err := s.ReadRange(ctx, id, off, n)
	if err != nil {
		t.Errorf("ReadRange(%d, %d): %v", off, n, err)
		return
	}
	defer r.Close()
	got, err := io.ReadAll(r)
	if err != nil {
		t.Errorf("ReadRange(%d, %d): after %d bytes: %v", off, n, len(got), err)
	}
	if int64(len(got)) != n {
		t.Errorf("ReadRange(%d, %d): got %d bytes", off, n, len(got))
	}
	if err := blob.Check(got, off); err != nil {
		t.Errorf("ReadRange(%d, %d): %v", off, n, err)
	}
	if k, err := r.Read(make([]byte, 1)); k != 0 || err != io.EOF {
		t.Errorf("ReadRange(%d, %d): Read after the end gave %d, %v", off, n, k, err)
	}
}

// readErr reads a range to its end and returns the error, from wherever it comes. The bytes that
// came before it must be those of blob.
func readErr(ctx context.Context, t *testing.T, s source.Source, id source.Identity, off, n int64) error {
	t.Helper()
	r, err := s.ReadRange(ctx, id, off, n)
	if err != nil {
		return err
	}
	defer r.Close()
	got, err := io.ReadAll(r)
	if cerr := blob.Check(got, off); cerr != nil {
		t.Errorf("ReadRange(%d, %d) gave bytes of another version: %v", off, n, cerr)
	}
	return err
}

// wantFinal checks that err is want, and of the kind that nobody tries again.
func wantFinal(t *testing.T, err, want error) {
	t.Helper()
	if !errors.Is(err, want) {
		t.Errorf("got error %v, want %v", err, want)
	} else if k := source.KindOf(err); k != source.Final {
		t.Errorf("%v: kind %v, want final", err, k)
	}
}

func testURL(t *testing.T, place placer) {
	p, id := start(t, place)
	url := p.Source.URL()
	if len(url) == 0 || len(url) > source.MaxURL {
		t.Fatalf("URL has %d bytes", len(url))
	}
	if p.Reopen == nil {
		t.Skip("has no URL of its own")
	}
	again, err := p.Reopen(url)
	if err != nil {
		t.Fatalf("open by %q: %v", url, err)
	}
	defer again.Close()
	if again.URL() != url {
		t.Errorf("URL of the source opened by %q is %q", url, again.URL())
	}
	id2, first, err := again.Identify(t.Context(), 10)
	if err != nil || id2 != id || !bytes.Equal(first, blob.Bytes(10)) {
		t.Errorf("Identify of the source opened by %q: %v, %x, %v; want %v", url, id2, first, err, id)
	}
}
