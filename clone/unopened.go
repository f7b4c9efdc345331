package clone

import (
	"context"
	"fmt"
	"io"

	"hydrant/source"
)

// unopened stands for a source that could not be opened: everything that needs it says why.
type unopened struct {
	url string
	why error
}

func (u *unopened) err() error { return fmt.Errorf("open source %s: %w", u.url, u.why) }

func (u *unopened) URL() string { return u.url }

func (u *unopened) Identify(context.Context, int64) (source.Identity, []byte, error) {
	return source.Identity{}, nil, u.err()
}

func (u *unopened) ReadRange(context.Context, source.Identity, int64, int64) (io.ReadCloser, error) {
	return nil, u.err()
}

func (u *unopened) Close() error { return nil }
