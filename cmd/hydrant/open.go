package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"

	"hydrant/clone"
	"hydrant/clone/state"
	"hydrant/internal/sqlitefile"
	"hydrant/source"
	"hydrant/source/scheme"
)

// attach opens the clone at path, which exists.
func attach(ctx context.Context, path string, opts clone.Options) (*clone.Clone, error) {
	opts.NoCreate = true
	return openClone(ctx, nil, path, opts)
}

// openClone opens the clone at path and makes it first, when src is given and there is none. What
// is an SQLite database is cloned page by page.
func openClone(ctx context.Context, src source.Source, path string, opts clone.Options) (*clone.Clone, error) {
	opts.OpenSource = openSource
	opts.ChooseRegion = func(head []byte, _ int64) int64 { return sqlitefile.PageSize(head) }
	return clone.OpenPath(ctx, src, path, &opts)
}

func openSource(ctx context.Context, url string) (source.Source, error) {
	return scheme.Open(ctx, url, scheme.Options{})
}

// inspect says how the clone at path is doing, and demands that all of it is there.
func inspect(path string) (clone.Status, error) {
	info, statErr := os.Stat(path)
	if statErr == nil && info.IsDir() {
		return clone.Status{}, fmt.Errorf("%s: is a directory", path)
	}
	s, err := clone.Inspect(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return s, fmt.Errorf("%s: no such file", path)
	case err != nil:
		return s, err
	case errors.Is(statErr, fs.ErrNotExist):
		return s, fmt.Errorf("%s: %w, and %s is there: put back the one, or delete the other", path, clone.ErrNoDest, path+state.Suffix)
	case statErr != nil:
		return s, statErr
	case s.State == clone.StateDetached:
		return s, notOrphaned(path)
	}
	return s, nil
}

// notOrphaned makes sure that a file without a state file is no half of a clone. It must not be
// called once SQLite has the file open: closing a descriptor drops the locks of the process on it.
func notOrphaned(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer func() { _ = f.Close() }()
	var front [16]byte
	if _, err := io.ReadFull(f, front[:]); err == nil && state.IsGuard(front[:]) {
		return fmt.Errorf("%s: %w %s: put that back, or delete both and clone again", path, clone.ErrOrphan, path+state.Suffix)
	}
	return nil
}
