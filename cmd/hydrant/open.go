package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"

	"hydrant/clone"
	"hydrant/clone/state"
	"hydrant/internal/sqlitefile"
	"hydrant/source"
	"hydrant/source/scheme"
	"hydrant/sqlitevfs"
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
	opts.Quiesce = sqlitevfs.Quiesce(path)
	return clone.OpenPath(ctx, src, path, &opts)
}

func openSource(ctx context.Context, url string) (source.Source, error) {
	return scheme.Open(ctx, url, scheme.Options{})
}

// inspect says how the clone at path is doing, and demands that all of it is there.
func inspect(path string) (clone.Status, error) {
	if isDir(path) {
		return clone.Status{}, fmt.Errorf("%s: is a directory", path)
	}
	s, err := clone.Inspect(path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return s, fmt.Errorf("%s: no such file", path)
	case errors.Is(err, state.ErrFuture):
		return s, fmt.Errorf("%w; use that version, or a later one", err)
	case errors.Is(err, state.ErrDamaged):
		return s, fmt.Errorf("%w; put back a copy of it: without it what was changed here is lost", err)
	}
	return s, err
}

func isDir(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.IsDir()
}
