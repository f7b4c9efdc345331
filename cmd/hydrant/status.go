package main

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/signal"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"hydrant/clone"
	"hydrant/internal/units"
)

func newStatus(t *terminal) *cobra.Command {
	var asJSON, watch bool
	c := &cobra.Command{
		Use:   "status DEST",
		Short: "Say how a clone is doing",
		Long: `Say how the clone DEST is doing, while others use it or not. It disturbs nobody and asks
nothing of the source. An ordinary file is "detached", and that is no error.`,
		Example: `  hydrant status app.db
  hydrant status --watch app.db
  hydrant status --json app.db | jq .regions_hydrated`,
		Args: exactly("DEST"),
		RunE: func(c *cobra.Command, args []string) error {
			show := showBlock(t)
			if asJSON {
				show = showJSON(t)
			}
			if watch {
				return watchStatus(c.Context(), args[0], show)
			}
			s, err := inspect(args[0])
			if err != nil {
				return err
			}
			return show(args[0], s)
		},
	}
	c.Flags().BoolVar(&asJSON, "json", false, "one JSON object, for programs")
	c.Flags().BoolVar(&watch, "watch", false, "again each second, until it is complete")
	return c
}

// watchStatus shows the status each second until there is nothing left to wait for, or ^C.
func watchStatus(ctx context.Context, path string, show func(string, clone.Status) error) error {
	ctx, done := signal.NotifyContext(ctx, os.Interrupt)
	defer done()
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for {
		s, err := inspect(path)
		if err != nil {
			return err
		}
		if err := show(path, s); err != nil || s.State == clone.StateComplete || s.State == clone.StateDetached {
			return err
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

func showJSON(t *terminal) func(string, clone.Status) error {
	return func(_ string, s clone.Status) error { return json.NewEncoder(t.out).Encode(s) }
}

// showBlock writes the block for people. On a screen the next one is written over the last.
func showBlock(t *terminal) func(string, clone.Status) error {
	above := 0
	return func(path string, s clone.Status) error {
		block := statusBlock(path, s, 0)
		if isTerminal(t.out) {
			block = statusBlock(path, s, width(t.out))
			if above > 0 {
				block = fmt.Sprintf("\x1b[%dA\x1b[J", above) + block
			}
		} else if above > 0 {
			block = "\n" + block
		}
		above = strings.Count(block, "\n")
		return printf(t, "%s", block)
	}
}

// statusBlock is one name and one value on each line, cut at columns; 0: not cut.
func statusBlock(path string, s clone.Status, columns int) string {
	var b strings.Builder
	line := func(name, format string, args ...any) {
		text := fmt.Sprintf("%-9s %s", name, fmt.Sprintf(format, args...))
		if r := []rune(text); columns > 1 && len(r) >= columns {
			text = string(r[:columns-2]) + "…"
		}
		b.WriteString(text + "\n")
	}
	line("clone", "%s", path)
	line("state", "%s, %s", s.State, percent(s))
	if s.State == clone.StateDetached {
		line("size", "%s, an ordinary file", units.FormatSize(s.Size))
		return b.String()
	}
	line("source", "%s", s.Source)
	line("identity", "%s", s.Identity)
	line("size", "%s in regions of %s", units.FormatSize(s.Size), units.FormatSize(s.RegionSize))
	line("local", "%s of %s regions, %s written", count(s.RegionsHydrated), count(s.RegionsTotal), count(s.RegionsWritten))
	what := "requests"
	if s.Requests == 1 {
		what = "request"
	}
	line("fetched", "%s in %s %s", units.FormatSize(int64(s.BytesFetched)), count(s.Requests), what)
	if s.State == clone.StateHydrating {
		line("rate", "%s/s, %s", units.FormatSize(int64(s.Rate)), formatETA(s.ETA))
	}
	if s.Mode != "rw" {
		line("mode", "%s", s.Mode)
	}
	if s.Error != "" {
		line("error", "%s", oneLine(s.Error))
	}
	return b.String()
}

// count writes n with its digits in groups of three.
func count(n uint64) string {
	s := strconv.FormatUint(n, 10)
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

// percent is cut, not rounded, so that it says 100 when it is.
func percent(s clone.Status) string {
	return fmt.Sprintf("%.4g %%", float64(int(s.Percent()*10))/10)
}
