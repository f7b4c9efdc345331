package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"

	"github.com/spf13/cobra"

	"hydrant/clone"
	"hydrant/clone/trace"
	"hydrant/internal/units"
	"hydrant/source"
)

func newTrace(t *terminal) *cobra.Command {
	c := &cobra.Command{
		Use:   "trace export|import|publish|show",
		Short: "What was read first, for the next cold start",
		Long: `Each clone records in which order its users first wanted what they read. Published beside its
source, that lets the next clone of it, wherever it is made, fetch all of that at once when it is
opened, and not one thing after another. It is a hint: without it, or with an old one, everything
works as well, and less quickly.

A clone that has become an ordinary file has no trace any more: publish it before, or clone with
--keep or --no-hydrate.`,
		Args: cobra.ArbitraryArgs,
		RunE: func(c *cobra.Command, args []string) error {
			if len(args) == 0 {
				return usage("say what to do: export, import, publish or show")
			}
			return usage("%q: no such command; want export, import, publish or show", args[0])
		},
	}
	for _, verb := range []func(*terminal) *cobra.Command{newTraceExport, newTraceImport, newTracePublish, newTraceShow} {
		verb := verb(t)
		verb.DisableFlagsInUseLine = true
		c.AddCommand(verb)
	}
	return c
}

func newTraceExport(t *terminal) *cobra.Command {
	return &cobra.Command{
		Use:   "export DEST [FILE]",
		Short: "Write a clone's trace to a file",
		Long: `Write the trace of the clone DEST, with the one that it was begun with, to FILE, or to standard
output. A process that has DEST open adds what it has read at least every 30 seconds, and when it closes it.`,
		Example: "  hydrant trace export app.db app.trace",
		Args:    between(1, "DEST", "FILE"),
		RunE: func(_ *cobra.Command, args []string) error {
			all, err := allTraces(args[0])
			if err != nil {
				return err
			}
			if len(args) == 1 {
				return printf(t, "%s", all.Encode())
			}
			if err := os.WriteFile(args[1], all.Encode(), 0o644); err != nil {
				return err
			}
			return printf(t, "%s: %s\n", args[1], describeTrace(all))
		},
	}
}

func newTraceImport(t *terminal) *cobra.Command {
	return &cobra.Command{
		Use:   "import DEST FILE",
		Short: "Give a clone a trace to begin with",
		Long: `Give the clone DEST the trace in FILE: whoever opens it next fetches at once what that names,
if most of DEST is not here yet.`,
		Example: "  hydrant clone --no-hydrate s3://shop/app.db app.db && hydrant trace import app.db app.trace",
		Args:    exactly("DEST", "FILE"),
		RunE: func(_ *cobra.Command, args []string) error {
			if err := mustBeClone(args[0]); err != nil {
				return err
			}
			given, err := readTraceFile(args[1])
			if err != nil {
				return err
			}
			if err := clone.ImportTrace(args[0], given); err != nil {
				return err
			}
			return printf(t, "%s: begins with %s\n", args[0], describeTrace(given))
		},
	}
}

func newTracePublish(t *terminal) *cobra.Command {
	var to string
	c := &cobra.Command{
		Use:   "publish DEST",
		Short: "Put a clone's trace beside its source",
		Long: `Put the trace of the clone DEST beside its source, as KEY` + trace.Suffix + `, where the next clone of
that source finds it. One that is there already is merged with: what all runs wanted comes first.
For S3 that needs the right to write that object. Sources over http: cannot be written to.`,
		Example: `  hydrant trace publish app.db
  hydrant trace publish --to s3://shop/releases/next.db app.db`,
		Args: exactly("DEST"),
		RunE: func(c *cobra.Command, args []string) error {
			return publishTrace(c.Context(), t, args[0], to)
		},
	}
	c.Flags().StringVar(&to, "to", "", "put it beside this source instead of DEST's own")
	return c
}

func publishTrace(ctx context.Context, t *terminal, path, to string) error {
	s, err := inspect(path)
	if err != nil {
		return err
	}
	all, err := allTraces(path)
	if err != nil {
		return err
	}
	ours, err := clone.ReadTraces(path)
	if err != nil {
		return err
	}
	if to == "" {
		to = s.Source
	}
	src, err := openSource(ctx, to)
	if err != nil {
		return err
	}
	merged, err := putTrace(ctx, src, ours.Recorded, all)
	if err = errors.Join(err, src.Close()); err != nil {
		return err
	}
	return printf(t, "%s: published beside %s: %s\n", path, src.URL(), describeTrace(merged))
}

// putTrace puts recorded beside src, merged with what is there, or all when nothing is.
func putTrace(ctx context.Context, src source.Source, recorded, all *trace.Trace) (*trace.Trace, error) {
	w, ok := source.As[source.SidecarWriter](src)
	if !ok {
		return nil, source.NoSidecar(src)
	}
	b, err := w.ReadBeside(ctx, trace.Suffix, trace.MaxEncoded)
	switch {
	case err == nil:
		there, err := trace.Decode(b)
		if errors.Is(err, trace.ErrFuture) {
			return nil, fmt.Errorf("what lies beside %s: %w", src.URL(), err)
		}
		if err == nil && recorded != nil {
			all = trace.Merge(there, recorded)
		}
	case source.KindOf(err) != source.Final:
		return nil, err // it may be there
	}
	return all, w.WriteBeside(ctx, trace.Suffix, all.Encode())
}

func newTraceShow(t *terminal) *cobra.Command {
	var asJSON bool
	c := &cobra.Command{
		Use:   "show DEST|FILE",
		Short: "Say what is in a trace",
		Long:  `Say what is in the trace of a clone, or in a file that one was exported to.`,
		Args:  exactly("DEST|FILE"),
		RunE: func(_ *cobra.Command, args []string) error {
			tr, err := readTraceFile(args[0])
			if errors.Is(err, trace.ErrNotTrace) {
				tr, err = allTraces(args[0])
			}
			if err != nil {
				return err
			}
			if asJSON {
				return json.NewEncoder(t.out).Encode(jsonTrace(tr))
			}
			for _, r := range tr.Ranges {
				if err := printf(t, "%d\t%d\t%d\n", r.Off, r.Len, r.Seen); err != nil {
					return err
				}
			}
			return nil
		},
	}
	c.Flags().BoolVar(&asJSON, "json", false, "one JSON object, for programs")
	return c
}

// jsonTrace is what show --json says, in bytes.
func jsonTrace(t *trace.Trace) any {
	type jsonRange struct {
		Off  int64 `json:"off"`
		Len  int64 `json:"len"`
		Seen int   `json:"seen"`
	}
	out := struct {
		Size   int64       `json:"size"`
		Runs   int         `json:"runs"`
		Bytes  int64       `json:"bytes"`
		Ranges []jsonRange `json:"ranges"`
	}{t.Size, t.Runs, t.Bytes(), []jsonRange{}}
	for _, r := range t.Ranges {
		out.Ranges = append(out.Ranges, jsonRange(r))
	}
	return out
}

// mustBeClone demands a clone, of which nothing else is asked.
func mustBeClone(path string) error {
	s, err := inspect(path)
	if err == nil && s.State == clone.StateDetached {
		err = fmt.Errorf("%s: is an ordinary file: its trace, if it was a clone, went with its state file", path)
	}
	return err
}

// allTraces is what is known of a clone's runs and those before.
func allTraces(path string) (*trace.Trace, error) {
	if err := mustBeClone(path); err != nil {
		return nil, err
	}
	kept, err := clone.ReadTraces(path)
	if err != nil {
		return nil, err
	}
	all := kept.All()
	if all == nil {
		return nil, fmt.Errorf("%s: nothing has been read from it yet, as far as its state file knows", path)
	}
	return all, nil
}

func readTraceFile(path string) (*trace.Trace, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if info.Size() > trace.MaxEncoded || !info.Mode().IsRegular() {
		return nil, fmt.Errorf("%s: %w", path, trace.ErrNotTrace)
	}
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	t, err := trace.Decode(b)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	return t, nil
}

func describeTrace(t *trace.Trace) string {
	what := "1 run"
	if t.Runs > 1 {
		what = fmt.Sprintf("%d runs", t.Runs)
	}
	places := "1 range"
	if len(t.Ranges) != 1 {
		places = count(uint64(len(t.Ranges))) + " ranges"
	}
	return fmt.Sprintf("%s of %s, %s", places, what, units.FormatSize(t.Bytes()))
}
