package main

import (
	"context"
	"errors"
	"flag"
	"os"
	"os/signal"
	"syscall"

	"github.com/spf13/cobra"

	"hydrant/bench/coldstart"
)

// benchChild is the hidden verb of a process that the harness has started.
const benchChild = "bench-child"

func newBench(t *terminal) *cobra.Command {
	c := &cobra.Command{
		Use:   "bench COMMAND",
		Short: "Measure hydrant on this machine",
		Args:  cobra.ArbitraryArgs,
		RunE: func(c *cobra.Command, args []string) error {
			if len(args) == 0 {
				return c.Help()
			}
			return unknownVerb(c, args[0])
		},
	}
	add(c, "", newColdstart(t))
	return c
}

func newColdstart(t *terminal) *cobra.Command {
	s := coldstart.New()
	c := &cobra.Command{
		Use:   "coldstart",
		Short: "Measure what it takes to use a database that is not here yet",
		Long: `Measure opening, querying and copying a database that is not here yet: with hydrant, and with
what people do without it. Each way runs in fresh processes, in turns, against the same
server: an S3 server inside this program, some way off, or that of --source. What is printed
are medians, what bounds them from below, and whether the targets were met.

With 500 MB it takes about a minute a run, and three times SIZE on disk.`,
		Example: `  hydrant bench coldstart --size 50MB --runs 1
  hydrant bench coldstart --html coldstart.html
  hydrant bench coldstart --source s3://shop/app.db --only first,scan,hydrate`,
		Args: exactly(),
		RunE: func(c *cobra.Command, _ []string) error { return runBench(c.Context(), t, s) },
	}
	fs := flag.NewFlagSet("", flag.ContinueOnError)
	s.Flags(fs)
	c.Flags().AddGoFlagSet(fs)
	return c
}

func runBench(ctx context.Context, t *terminal, s *coldstart.Settings) error {
	ctx, done := signal.NotifyContext(ctx, os.Interrupt, syscall.SIGTERM)
	defer done()
	self, err := os.Executable()
	if err != nil {
		return err
	}
	s.Child = []string{self, benchChild}
	s.Tell = func(line string) { _ = printf(&terminal{out: t.err}, "%s\n", line) }
	err = coldstart.Print(ctx, s, t.out)
	if errors.Is(err, coldstart.ErrSettings) {
		return usage("%v", err)
	}
	return err
}

func newBenchChild(t *terminal) *cobra.Command {
	return &cobra.Command{
		Use: benchChild, Hidden: true, DisableFlagParsing: true,
		RunE: func(c *cobra.Command, args []string) error { return coldstart.Child(c.Context(), args, t.out) },
	}
}
