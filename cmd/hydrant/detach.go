package main

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"hydrant/clone"
)

func newDetach(t *terminal) *cobra.Command {
	var force bool
	c := &cobra.Command{
		Use:   "detach DEST",
		Short: "Make a complete clone an ordinary file",
		Long: `Make the complete clone DEST an ordinary file by removing its state file. That happens by
itself, unless it was made with --keep. A clone that is not complete is refused, with --force
too: without its state file it would be a broken file.`,
		Example: `  hydrant detach app.db
  hydrant detach --force app.db`,
		Args: exactly("DEST"),
		RunE: func(c *cobra.Command, args []string) error {
			return runDetach(c.Context(), t, args[0], force)
		},
	}
	c.Flags().BoolVar(&force, "force", false, "also when a sync of it failed, so that the disk may not have all of it")
	return c
}

func runDetach(ctx context.Context, t *terminal, path string, force bool) error {
	switch s, err := inspect(path); {
	case err != nil:
		return err
	case s.State == clone.StateDetached:
		return printf(t, "%s: is an ordinary file already; nothing to do\n", path)
	case s.Mode != "rw" && !force:
		return fmt.Errorf("%s: a sync of it failed, so the disk may not have all of it; "+
			"check its content, then: hydrant detach --force %s", path, path)
	}
	if err := detach(ctx, path); err != nil {
		return err
	}
	return printf(t, "%s: an ordinary file from now on\n", path)
}

func detach(ctx context.Context, path string) (err error) {
	c, err := attach(ctx, path, clone.Options{NoBackground: true})
	if errors.Is(err, clone.ErrPlain) {
		return nil // opening it found nothing left to do but this
	}
	if err != nil {
		return err
	}
	err = c.Detach(ctx)
	s := c.Status()
	if cerr := c.Close(); err == nil {
		err = cerr
	}
	switch {
	case errors.Is(err, clone.ErrIncomplete):
		return fmt.Errorf("%s: only %s of it is here; complete it with: hydrant hydrate %s", path, percent(s), path)
	case errors.Is(err, clone.ErrBusy):
		return fmt.Errorf("%s: is open in another process; close it there and try again", path)
	}
	return err
}
