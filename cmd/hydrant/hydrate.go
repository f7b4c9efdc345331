package main

import (
	"context"
	"errors"

	"github.com/spf13/cobra"

	"hydrant/clone"
)

func newHydrate(t *terminal) *cobra.Command {
	return &cobra.Command{
		Use:   "hydrate DEST",
		Short: "Copy all that is missing in a clone",
		Long: `Copy all that is missing in the clone DEST, also when hydration was switched off, and detach.
^C keeps what was copied. An ordinary file needs nothing, and that is no error.`,
		Example: `  hydrant hydrate app.db`,
		Args:    exactly("DEST"),
		RunE: func(c *cobra.Command, args []string) error {
			return runHydrate(c.Context(), t, args[0])
		},
	}
}

func runHydrate(ctx context.Context, t *terminal, path string) error {
	if s, err := inspect(path); err != nil || s.State == clone.StateDetached {
		if err != nil {
			return err
		}
		return printf(t, "%s: is an ordinary file already; nothing to do\n", path)
	}
	h := hydration{t: t, path: path, open: func(ctx context.Context) (*clone.Clone, error) {
		return attach(ctx, path, clone.Options{Knobs: clone.Knobs{Hydration: new(true)}})
	}}
	err := h.run(ctx)
	if errors.Is(err, clone.ErrPlain) { // another process completed it first
		return printf(t, "%s: is an ordinary file by now\n", path)
	}
	return cloneAdvice(err, path, "")
}
