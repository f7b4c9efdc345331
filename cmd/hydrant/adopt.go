package main

import (
	"github.com/spf13/cobra"

	"hydrant/clone"
)

func newAdopt(t *terminal) *cobra.Command {
	return &cobra.Command{
		Use:   "adopt DEST",
		Short: "Use a copy of a clone that was in use when it was copied",
		Long: `Make DEST, a copy of a clone that was not closed when it was copied, a clone of its own. That is
your word that DEST and its state file were copied together while nobody used them: in one
snapshot, or after a crash. Copy the journal or WAL with them (DEST-hydrant-journal,
DEST-hydrant-wal).

What had been fetched is fetched again, what had been written here is kept. A copy that cannot
be whole is refused. The source is not asked. A clone that lies where it was made, a copy of one
that was closed, and an ordinary file are left as they are.`,
		Example: "  cp -a app.db app.db-hydrant* /snapshot/ && hydrant adopt /snapshot/app.db",
		Args:    exactly("DEST"),
		RunE: func(_ *cobra.Command, args []string) error {
			return runAdopt(t, args[0])
		},
	}
}

func runAdopt(t *terminal, path string) error {
	if _, err := inspect(path); err != nil {
		return err
	}
	a, err := clone.AdoptPath(path)
	if err != nil {
		return err
	}
	if !a.Needed {
		return printf(t, "%s: can be used as it is; nothing to do\n", path)
	}
	return printf(t, `%s: is a clone of its own from now on
%s: %s kept that were written here, %s will be fetched again
%s: check it with: hydrant verify %s; a database also with: hydrant sql %s "PRAGMA integrity_check"
`, path, path, regions(a.Written), regions(a.Cold), path, path, path)
}
