package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"

	"github.com/spf13/cobra"

	"hydrant/clone"
	"hydrant/source"
)

type cloneFlags struct {
	regionSize  sizeFlag
	bandwidth   rateFlag
	connections connectionsFlag
	noHydrate   bool
	keep        bool
	ifNotExists bool
	noTrace     bool
}

func newClone(t *terminal) *cobra.Command {
	var f cloneFlags
	c := &cobra.Command{
		Use:   "clone SOURCE DEST",
		Short: "Copy a source to DEST, usable from the first moment on",
		Long: `Make DEST a clone of SOURCE and fill it. Others may open, read and write it meanwhile, with
"hydrant sql" or through the VFS. ^C leaves a clone that is usable and goes on where it was
with "hydrant hydrate DEST", or this command again. When the copy is complete, DEST is an
ordinary file.`,
		Example: `  hydrant clone s3://shop/app.db app.db
  hydrant clone --no-hydrate https://example.com/app.db app.db
  hydrant clone --bandwidth 20MB/s --keep s3://shop/app.db app.db`,
		Args: exactly("SOURCE", "DEST"),
		RunE: func(c *cobra.Command, args []string) error {
			return runClone(c.Context(), t, args[0], args[1], &f)
		},
	}
	c.Flags().BoolVar(&f.noHydrate, "no-hydrate", false, "only make the clone: what is read is fetched, nothing else")
	c.Flags().BoolVar(&f.keep, "keep", false, "when complete, stay a clone: keep the state file")
	c.Flags().BoolVar(&f.ifNotExists, "if-not-exists", false, "do nothing, successfully, when DEST is an ordinary file already")
	c.Flags().BoolVar(&f.noTrace, "no-trace", false, "do not ask for a trace beside SOURCE, and record none")
	c.Flags().Var(&f.regionSize, "region-size", "unit of copying, a power of two (default: the page of a database, else 4KiB)")
	c.Flags().Var(&f.bandwidth, "bandwidth", "cap on copying, bytes per second (default: none)")
	c.Flags().Var(&f.connections, "connections", "requests at once, 1 to 256 (default: adapts)")
	return c
}

func runClone(ctx context.Context, t *terminal, url, path string, f *cloneFlags) error {
	if err := placeFor(path); err != nil {
		return err
	}
	opts := clone.Options{
		RegionSize: f.regionSize.n,
		Keep:       f.keep,
		NoTrace:    f.noTrace,
		Knobs:      clone.Knobs{Bandwidth: f.bandwidth.pointer(), Connections: f.connections.pointer()},
	}
	if f.noHydrate {
		opts.Knobs.Hydration = new(false)
		opts.NoBackground = true
	} else {
		opts.Knobs.Hydration = new(true)
	}
	open := func(ctx context.Context) (*clone.Clone, error) {
		src, err := openSource(ctx, url)
		if err != nil {
			return nil, err
		}
		return openClone(ctx, src, path, opts)
	}
	err := makeAndFill(ctx, t, path, open, f.noHydrate)
	if errors.Is(err, clone.ErrPlain) && f.ifNotExists {
		return printf(t, "%s: is an ordinary file already; nothing to do\n", path)
	}
	return cloneAdvice(err, path, url)
}

// placeFor makes sure that a file can have this name.
func placeFor(path string) error {
	if isDir(path) {
		return fmt.Errorf("%s: is a directory; name the file to make", path)
	}
	dir := filepath.Dir(path)
	info, err := os.Stat(dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) && !errors.Is(err, syscall.ENOTDIR) {
		return err
	}
	if err != nil || !info.IsDir() {
		return fmt.Errorf("%s: there is no directory %s; make it first", path, dir)
	}
	return nil
}

func makeAndFill(ctx context.Context, t *terminal, path string, open func(context.Context) (*clone.Clone, error), only bool) error {
	if !only {
		h := hydration{t: t, path: path, open: open}
		return h.run(ctx)
	}
	c, err := open(ctx)
	if err != nil {
		return err
	}
	denied := c.Writable()
	if err := c.Close(); err != nil {
		return err
	}
	if errors.Is(denied, clone.ErrAccess) {
		return denied
	}
	return printf(t, "%s: ready to use; copy it all with: hydrant hydrate %s\n", path, path)
}

// cloneAdvice adds what to do about an error of making a clone.
func cloneAdvice(err error, path, url string) error {
	switch {
	case errors.Is(err, clone.ErrPlain):
		return fmt.Errorf("%w; --if-not-exists leaves it as it is, or name another DEST", err)
	case errors.Is(err, clone.ErrOtherSource):
		return fmt.Errorf("%w; hydrant status %s tells which", err, path)
	case errors.Is(err, source.ErrChanged):
		return fmt.Errorf("%w; what is in %s is kept, but it cannot be completed: clone again under another name", err, path)
	}
	return err
}
