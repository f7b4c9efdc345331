package sourcetest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"sync"
	"time"

	"hydrant/internal/pattern"
	"hydrant/source"
)

var (
	errReset    = errors.New("connection reset (on purpose)")
	errSlowDown = errors.New("asked too often (on purpose)")
)

// Fake is a source in memory that does as it is told and writes down what it was asked.
//
//	f := sourcetest.NewFake(content)
//	f.Plan(sourcetest.Nth(3, sourcetest.Fault{Err: sourcetest.Reset(), After: 100}))
//	… use f …
//	if f.Twice() > 0 { … some bytes were fetched again … }
//
// All time passes by time.Timer, so inside testing/synctest none does. Like S3, it lets a body
// that is under way run to its end when the blob is replaced.
type Fake struct {
	name string

	mu       sync.Mutex
	content  io.ReaderAt // nil: removed
	id       source.Identity
	version  int
	plan     Plan
	requests []*Request
	inFlight int
	most     int
	closed   chan struct{} // closed by Close
}

// NewFake returns a source of content, which must not change from now on.
func NewFake(content []byte) *Fake {
	return newFake(bytes.NewReader(content), int64(len(content)))
}

// NewVirtual returns a source of the first size bytes of blob, which take no room.
func NewVirtual(blob pattern.Blob, size int64) *Fake { return newFake(blob, size) }

func newFake(content io.ReaderAt, size int64) *Fake {
	f := &Fake{name: "fake:blob", closed: make(chan struct{})}
	f.replace(content, size)
	return f
}

// Plan sets the fault of every request from now on. nil means none.
func (f *Fake) Plan(p Plan) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.plan = p
}

// Rename changes URL. It is "fake:blob" at first.
func (f *Fake) Rename(url string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.name = url
}

// Replace puts other content, which must not change, in place of the blob: another identity,
// even when the content is the same.
func (f *Fake) Replace(content []byte) {
	f.replace(bytes.NewReader(content), int64(len(content)))
}

func (f *Fake) replace(content io.ReaderAt, size int64) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.version++
	f.content = content
	f.id = source.Identity{Size: size, Tag: fmt.Sprintf("v%d", f.version)}
}

// Remove takes the blob away.
func (f *Fake) Remove() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.content = nil
}

// Identity is the identity of the blob as it is now. It costs no request.
func (f *Fake) Identity() source.Identity {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.id
}

// URL implements source.Source.
func (f *Fake) URL() string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.name
}

// Identify implements source.Source.
func (f *Fake) Identify(ctx context.Context, n int64) (source.Identity, []byte, error) {
	b := f.begin(ctx, Request{Identify: true, Len: n})
	defer b.Close()
	if err := b.open(); err != nil {
		return source.Identity{}, nil, fmt.Errorf("identify %s: %w", f.URL(), err)
	}
	if b.content == nil {
		return source.Identity{}, nil, fmt.Errorf("identify %s: %w", f.URL(), source.ErrNotFound)
	}
	b.left = min(n, b.id.Size)
	first, err := io.ReadAll(b)
	if err != nil {
		return source.Identity{}, nil, err
	}
	return b.id, first, nil
}

// ReadRange implements source.Source.
func (f *Fake) ReadRange(ctx context.Context, id source.Identity, off, n int64) (io.ReadCloser, error) {
	if off < 0 || n <= 0 || off+n > id.Size {
		return nil, fmt.Errorf("range [%d,+%d) is not inside %d bytes", off, n, id.Size)
	}
	b := f.begin(ctx, Request{Off: off, Len: n})
	err := b.open()
	switch {
	case err != nil:
	case b.content == nil:
		err = source.ErrNotFound
	case b.id != id:
		err = source.ErrChanged
	}
	if err != nil {
		b.Close()
		return nil, fmt.Errorf("read %s at %d: %w", f.URL(), off, err)
	}
	return b, nil
}

// Close implements source.Source. Afterwards the log can still be read.
func (f *Fake) Close() error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if !f.isClosed() {
		close(f.closed)
	}
	return nil
}

// begin writes the request down and returns its body.
func (f *Fake) begin(ctx context.Context, r Request) *body {
	f.mu.Lock()
	defer f.mu.Unlock()
	r.N = len(f.requests) + 1
	f.requests = append(f.requests, &r)
	f.inFlight++
	f.most = max(f.most, f.inFlight)
	b := &body{ctx: ctx, fake: f, request: &r, left: r.Len}
	if f.plan != nil {
		b.fault = f.plan(r)
	}
	return b
}

func (f *Fake) isClosed() bool {
	select {
	case <-f.closed:
		return true
	default:
		return false
	}
}

// sleep waits for d, or until ctx ends or the fake is closed.
func (f *Fake) sleep(ctx context.Context, d time.Duration) error {
	if d <= 0 {
		return f.alive(ctx)
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	case <-f.closed:
		return fs.ErrClosed
	}
}

func (f *Fake) alive(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if f.isClosed() {
		return fs.ErrClosed
	}
	return nil
}
