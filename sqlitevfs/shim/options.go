package shim

import (
	"context"
	"errors"

	"hydrant/clone"
	"hydrant/dest"
	"hydrant/source"
	"hydrant/source/cache"
	"hydrant/source/scheme"
)

// Options configure a VFS. nil, and the zero value, mean the defaults.
type Options struct {
	// OpenSource opens what a URI names with source=, and what a state file has recorded. It
	// sends no request. nil: scheme.Open with its defaults.
	OpenSource func(ctx context.Context, address string) (source.Source, error)

	// Cache keeps what clones fetch in the memory of the process, up to 64 MiB for all of them, so
	// that many clones of one database fetch each block of it once.
	Cache bool

	// NoTrace switches off traces, see clone.Options: what is read is not recorded for the next cold
	// start, and no trace is looked for beside a source.
	NoTrace bool

	// WrapDest puts something around the local file of each clone as Go sees it: see
	// clone.Options. Pages that were changed before are written by SQLite, past it.
	WrapDest func(dest.Target) dest.Target

	// OnEvent is called for each event of each clone that is opened through the VFS, for one clone
	// one at a time, from a goroutine of the clone. It must not close a database.
	OnEvent func(path string, ev clone.Event)
}

// vfs is a registered VFS.
type vfs struct{ opts Options }

func (v *vfs) openSource(ctx context.Context, address string) (source.Source, error) {
	src, err := v.openBare(ctx, address)
	if err != nil || !v.opts.Cache {
		return src, err
	}
	p, err := pool()
	if err != nil {
		return nil, errors.Join(err, src.Close())
	}
	return cache.New(src, p), nil
}

// openBare opens the source itself.
func (v *vfs) openBare(ctx context.Context, address string) (source.Source, error) {
	if v.opts.OpenSource != nil {
		return v.opts.OpenSource(ctx, address)
	}
	return scheme.Open(ctx, address, scheme.Options{})
}
