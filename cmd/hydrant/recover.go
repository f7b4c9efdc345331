package main

import (
	"fmt"

	"github.com/spf13/cobra"

	"hydrant/clone"
)

func newRecover(t *terminal) *cobra.Command {
	return &cobra.Command{
		Use:   "recover DEST",
		Short: "Make a clone writable again after a failed sync",
		Long: `Take the clone DEST back to mode rw after a sync that failed. What was written since the last
sync that succeeded is given up, as by a power loss, for nobody knows what of it the disk has.
The journal or WAL of a database stays where it is: SQLite recovers from it when it next opens
the database. Nobody else may have the clone open.

A clone in mode rw and an ordinary file are left as they are.`,
		Example: "  hydrant recover app.db",
		Args:    exactly("DEST"),
		RunE: func(_ *cobra.Command, args []string) error {
			return runRecover(t, args[0])
		},
	}
}

func runRecover(t *terminal, path string) error {
	s, err := inspect(path)
	if err != nil {
		return err
	}
	if s.State == clone.StateDetached {
		return printf(t, "%s: is an ordinary file and no clone; nothing to do\n", path)
	}
	r, err := clone.RecoverPath(path)
	if err != nil {
		return err
	}
	if r.Mode == "rw" {
		return printf(t, "%s: is in mode rw; nothing to do\n", path)
	}
	was := r.Mode
	if r.Error != "" {
		was += " (" + oneLine(r.Error) + ")"
	}
	return printf(t, `%s: was %s, is rw again
%s: %s will be fetched again, %s lost what was written since the last sync
%s: check it with: hydrant verify %s; a database also with: hydrant sql %s "PRAGMA integrity_check"
`, path, was, path, regions(r.Cold), regions(r.Lost), path, path, path)
}

func regions(n uint64) string {
	if n == 1 {
		return "1 region"
	}
	return fmt.Sprintf("%s regions", count(n))
}
