package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/signal"

	"github.com/spf13/cobra"

	"hydrant/clone"
	"hydrant/source"
	"hydrant/source/retry"
)

func newVerify(t *terminal) *cobra.Command {
	var url string
	c := &cobra.Command{
		Use:   "verify DEST",
		Short: "Compare a clone with its source",
		Long: `Compare the clone DEST with its source, region by region. What was changed here is counted and
is no difference; what is not here yet is left out. An ordinary file knows neither its source
nor what was changed in it: name the source with --source, and every change is a difference.

Exit code 0: the same, 1: differs, 3: it could not be told.`,
		Example: `  hydrant verify app.db
  hydrant verify --source s3://shop/app.db app.db`,
		Args: exactly("DEST"),
		RunE: func(c *cobra.Command, args []string) error {
			return runVerify(c.Context(), t, args[0], url)
		},
	}
	c.Flags().StringVar(&url, "source", "", "what to compare an ordinary file with")
	return c
}

func runVerify(ctx context.Context, t *terminal, path, url string) error {
	ctx, done := signal.NotifyContext(ctx, os.Interrupt)
	defer done()
	found, err := compareWith(ctx, t, path, url)
	switch {
	case exitCode(err) == exitUsage, errors.Is(err, source.ErrChanged):
		return err
	case ctx.Err() != nil:
		return withCode(exitTrouble, fmt.Errorf("%s: interrupted", path))
	case err != nil:
		return withCode(exitTrouble, err)
	}
	return found.report(t, path)
}

// compareWith compares the file at path with the source it has, or with the one at url.
func compareWith(ctx context.Context, t *terminal, path, url string) (*findings, error) {
	s, err := inspect(path)
	if err != nil {
		return nil, err
	}
	plain := s.State == clone.StateDetached
	switch {
	case plain && url == "":
		return nil, usage("%s: is an ordinary file; name what to compare it with by --source", path)
	case !plain && url != "":
		return nil, usage("%s: is a clone of %s; --source is for ordinary files", path, s.Source)
	case !plain:
		url = s.Source
	}
	bare, err := openSource(ctx, url)
	if err != nil {
		return nil, err
	}
	src, err := retry.New(bare, retry.Options{})
	if err != nil {
		return nil, errors.Join(err, bare.Close())
	}
	defer func() { _ = src.Close() }()
	id, _, err := src.Identify(ctx, 1)
	if err != nil {
		return nil, err
	}
	if !plain && id.Tag != s.Identity {
		return nil, fmt.Errorf("%s: %w: it was %s and is %s", url, source.ErrChanged, s.Identity, id.Tag)
	}
	here, err := openHere(ctx, path, plain)
	if err != nil {
		return nil, err
	}
	defer func() { _ = here.Close() }()
	c := comparison{src: src, id: id, here: here, bar: newProgress(t.err, path)}
	defer c.bar.clear()
	return c.run(ctx)
}

// report says what was found: the places on stdout, the verdict as the error.
func (f *findings) report(t *terminal, path string) error {
	const shown = 20
	for _, d := range f.differing[:min(shown, len(f.differing))] {
		if err := printf(t, "%s: differs at offset %d, %d bytes\n", path, d.off, d.n); err != nil {
			return err
		}
	}
	if more := len(f.differing) - shown; more > 0 {
		if err := printf(t, "%s: and at %d more places\n", path, more); err != nil {
			return err
		}
	}
	err := printf(t, "%s: %s regions the same, %s differing, %s changed here, %s not here yet\n",
		path, count(f.same), count(f.differ), count(f.changed), count(f.cold))
	switch {
	case err != nil:
		return err
	case f.differ > 0:
		return fmt.Errorf("%s: %s of %s regions differ from the source and were not changed here", path,
			count(f.differ), count(f.same+f.differ+f.changed+f.cold))
	case f.sizes != "":
		return fmt.Errorf("%s: %s", path, f.sizes)
	}
	return nil
}
