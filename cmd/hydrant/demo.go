package main

import (
	"context"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"

	"github.com/spf13/cobra"
)

type demoFlags struct {
	rtt       time.Duration
	bandwidth rateFlag
	link      rateFlag
	size      sizeFlag
	dir       string
}

func newDemo(t *terminal) *cobra.Command {
	var f demoFlags
	f.bandwidth.set, f.bandwidth.n = true, 80e6
	f.link.set, f.link.n = true, 125e6
	f.size.set, f.size.n = true, 200e6
	c := &cobra.Command{
		Use:   "demo",
		Short: "Show all of it, measured on this machine",
		Long: `Put a database into an S3 server inside this program, some way off, and use it twice from
fresh processes: downloaded and then opened, and opened at once with hydrant, which is also
killed on the way. In the end the two files are compared, byte by byte and row by row.

It needs no network and no rights, about five times SIZE on disk, and a minute. The database
is kept in DIR for the next time; all else is removed.`,
		Example: `  hydrant demo
  hydrant demo --rtt 100ms --bandwidth 20MB/s --size 50MB`,
		Args: exactly(),
		RunE: func(c *cobra.Command, _ []string) error { return runDemo(c.Context(), t, &f) },
	}
	c.Flags().DurationVar(&f.rtt, "rtt", 30*time.Millisecond, "time to the first byte of each answer")
	c.Flags().Var(&f.bandwidth, "bandwidth", "of each connection")
	c.Flags().Var(&f.link, "link", "bandwidth of all connections together, or off")
	c.Flags().Var(&f.size, "size", "of the database")
	c.Flags().StringVar(&f.dir, "dir", "", "where to work (default: hydrant-demo in the user's cache directory)")
	return c
}

func runDemo(ctx context.Context, t *terminal, f *demoFlags) (err error) {
	ctx, done := signal.NotifyContext(ctx, os.Interrupt, syscall.SIGTERM)
	defer done()
	switch {
	case f.size.n < 2e6 || f.size.n > 20e9:
		return usage("--size %s: want 2MB to 20GB", f.size.String())
	case f.rtt < 0 || f.rtt > time.Minute:
		return usage("--rtt %v: want 0 to 1m", f.rtt)
	case f.dir == "":
		cache, err := os.UserCacheDir()
		if err != nil {
			return fmt.Errorf("no place to work: %w; name one with --dir", err)
		}
		f.dir = filepath.Join(cache, "hydrant-demo")
	}
	d, err := newStage(ctx, t, f)
	if err != nil {
		return err
	}
	defer func() {
		if cerr := d.close(); err == nil {
			err = cerr
		}
	}()
	if err := d.play(ctx); ctx.Err() != nil {
		return fmt.Errorf("interrupted; what it made is removed, but for the database in %s", f.dir)
	} else if err != nil {
		return err
	}
	return nil
}
