package main

import (
	"runtime"
	"runtime/debug"

	"github.com/mattn/go-sqlite3"
	"github.com/spf13/cobra"
)

// version is set by the build of a release.
var version = ""

func newVersion(t *terminal) *cobra.Command {
	return &cobra.Command{
		Use:     "version",
		Short:   "Say which hydrant this is, and which SQLite is in it",
		Example: "  hydrant version",
		Args:    exactly(),
		RunE: func(*cobra.Command, []string) error {
			lib, _, _ := sqlite3.Version()
			return printf(t, "hydrant %s, SQLite %s, %s %s/%s\n", versionName(), lib, runtime.Version(), runtime.GOOS, runtime.GOARCH)
		},
	}
}

func versionName() string {
	if version != "" {
		return version
	}
	if info, ok := debug.ReadBuildInfo(); ok && info.Main.Version != "" {
		return info.Main.Version
	}
	return "(devel)"
}
