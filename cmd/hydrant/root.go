package main

import (
	"fmt"
	"strings"

	"github.com/spf13/cobra"
)

const rootLong = `hydrant opens a database that lies in S3 (or any blob, over HTTP, or a file) at once, for
reads and writes, and copies it to local disk behind its back. When the copy is done, the
local file is an ordinary file and nothing of hydrant is left.

Sources: PATH, file:PATH, http(s)://…, s3://BUCKET/KEY[?endpoint=&region=&path-style=true]
Sizes:   64MB is 64 million bytes, 64MiB is 64 × 1048576
Exit:    0 done, 1 error (verify: differs), 2 usage, 3 verify could not tell,
         4 stalled, or the source has changed`

const rootExample = `  hydrant clone s3://shop/app.db app.db
  hydrant sql app.db "SELECT count(*) FROM orders"
  hydrant status app.db --watch
  hydrant demo`

func newRoot(t *terminal) *cobra.Command {
	root := &cobra.Command{
		Use:           "hydrant COMMAND",
		Short:         "Use a remote database at once, while it is copied to local disk",
		Long:          rootLong,
		Example:       rootExample,
		Args:          cobra.ArbitraryArgs,
		SilenceErrors: true,
		SilenceUsage:  true,
		RunE: func(c *cobra.Command, args []string) error {
			if len(args) == 0 {
				return c.Help()
			}
			return unknownVerb(c, args[0])
		},
	}
	root.SetIn(t.in)
	root.SetOut(t.out)
	root.SetErr(t.err)
	// The template would say twice how the root is used, for it runs, and has commands.
	root.SetUsageTemplate(strings.Replace(root.UsageTemplate(), "{{if .HasAvailableSubCommands}}\n  {{.CommandPath}} [command]{{end}}", "", 1))
	root.DisableFlagsInUseLine = true
	root.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return usage("%v", err) })
	root.AddGroup(
		&cobra.Group{ID: "clone", Title: "Clones:"},
		&cobra.Group{ID: "more", Title: "More:"},
	)
	for _, verb := range []func(*terminal) *cobra.Command{
		newClone, newHydrate, newStatus, newTune, newSQL, newVerify, newDetach, newRecover, newAdopt, newTrace,
	} {
		add(root, "clone", verb(t))
	}
	for _, verb := range []func(*terminal) *cobra.Command{newDemo, newBench, newVersion} {
		add(root, "more", verb(t))
	}
	root.AddCommand(newBenchChild(t))
	for _, step := range newDemoSteps(t) {
		root.AddCommand(step)
	}
	root.SetHelpCommandGroupID("more")
	root.SetCompletionCommandGroupID("more")
	root.CompletionOptions.SetDefaultShellCompDirective(cobra.ShellCompDirectiveDefault)
	return root
}

func add(root *cobra.Command, group string, verb *cobra.Command) {
	verb.GroupID = group
	verb.DisableFlagsInUseLine = true
	root.AddCommand(verb)
}

func unknownVerb(c *cobra.Command, name string) error {
	if near := c.SuggestionsFor(name); len(near) > 0 {
		return usage("%q: no such command; did you mean %s?", name, near[0])
	}
	return usage("%q: no such command; hydrant --help lists them", name)
}

// exactly demands the arguments that are named.
func exactly(names ...string) cobra.PositionalArgs {
	return between(len(names), names...)
}

// atLeast demands the arguments that are named, and allows any number after them.
func atLeast(names ...string) cobra.PositionalArgs {
	return func(c *cobra.Command, args []string) error {
		return exactly(names...)(c, args[:min(len(args), len(names))])
	}
}

// between demands the first least of the arguments that are named, and allows the rest.
func between(least int, names ...string) cobra.PositionalArgs {
	return func(c *cobra.Command, args []string) error {
		switch {
		case len(args) < least:
			return usage("%s is missing; usage: %s", names[len(args)], c.UseLine())
		case len(args) > len(names):
			return usage("%q is one argument too many; usage: %s", args[len(names)], c.UseLine())
		}
		for i, arg := range args[:least] {
			if arg == "" {
				return usage("%s is empty; usage: %s", names[i], c.UseLine())
			}
		}
		return nil
	}
}

func printf(t *terminal, format string, args ...any) error {
	_, err := fmt.Fprintf(t.out, format, args...)
	return err
}
