package shim

import (
	"context"
	"fmt"
	"io"
	"path/filepath"

	"hydrant/clone/state"
	"hydrant/source"
	"hydrant/source/file"
)

// sourceFor opens the source that was given for the clone at path, nil for none. That of a clone
// which is there already need not be: what is local is served without it.
func (v *vfs) sourceFor(ctx context.Context, address, path string) (source.Source, error) {
	if address == "" {
		return nil, nil
	}
	isThere, err := exists(path + state.Suffix)
	switch {
	case err != nil:
		return nil, err
	case isThere:
		return v.openGiven(ctx, address)
	}
	return v.openSource(ctx, address)
}

// openGiven is openSource, with absent in place of a source that cannot be opened.
func (v *vfs) openGiven(ctx context.Context, address string) (source.Source, error) {
	src, err := v.openSource(ctx, address)
	if err == nil {
		return src, nil
	}
	return &absent{url: canonical(address), why: err}, nil
}

// canonical is the recorded form of the address of a file that cannot be opened; of others it is
// the address itself.
func canonical(address string) string {
	path, err := file.ParseURL(address)
	if err != nil {
		path = address
	}
	if abs, err := filepath.Abs(path); err == nil && !hasScheme(path) {
		return file.URL(abs)
	}
	return address
}

func hasScheme(address string) bool {
	for i, c := range []byte(address) {
		switch {
		case c == ':':
			return i > 1
		case c == '/' || c == '.':
			return false
		}
	}
	return false
}

// absent is a source that could not be opened. Everything but its address says why.
type absent struct {
	url string
	why error
}

func (a *absent) URL() string { return a.url }

func (a *absent) Identify(context.Context, int64) (source.Identity, []byte, error) {
	return source.Identity{}, nil, a.why
}

func (a *absent) ReadRange(context.Context, source.Identity, int64, int64) (io.ReadCloser, error) {
	return nil, fmt.Errorf("read %s: %w", a.url, a.why)
}

func (a *absent) Close() error { return nil }
