// Command bench measures hydrant against what people do without it, side by side in one run.
//
//	go run ./bench hydrate      hydration against plain parallel ranged downloads
//	go run ./bench cold         the first answer: round trips, against downloading first
//	go run ./bench native       a hydrated database against SQLite's own VFS
//	go run ./bench memory       peak memory at 500 MB and at a sparse 100 GiB
//	go run ./bench all
//
// Every strategy runs in a fresh process against the same S3 server in this one, in interleaved
// rounds; what is printed are medians, and ratios of medians from the same run. Absolute times
// depend on the machine.
package main

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"hydrant/internal/units"
)

// settings are the flags that all benchmarks share.
type settings struct {
	size      int64
	rtt       time.Duration
	bandwidth int64
	rounds    int
	dir       string
}

func main() {
	if len(os.Args) > 1 && os.Args[1] == childVerb {
		child(os.Args[2:])
		return
	}
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	which := "all"
	if len(args) > 0 && args[0][0] != '-' {
		which, args = args[0], args[1:]
	}
	s := settings{}
	size, bandwidth := "500MB", "80MB"
	fs := flag.NewFlagSet("bench "+which, flag.ContinueOnError)
	fs.StringVar(&size, "size", size, "size of the blob or database")
	fs.StringVar(&bandwidth, "bandwidth", bandwidth, "bytes per second of one connection")
	fs.DurationVar(&s.rtt, "rtt", 30*time.Millisecond, "time to the first byte of each request")
	fs.IntVar(&s.rounds, "rounds", 5, "rounds of each strategy")
	fs.StringVar(&s.dir, "dir", "", "folder for the files (default: a new one, removed afterwards)")
	if err := fs.Parse(args); err != nil {
		return err
	}
	var err error
	if s.size, err = units.ParseSize(size); err != nil {
		return err
	}
	if s.bandwidth, err = units.ParseSize(bandwidth); err != nil {
		return err
	}
	if s.dir == "" {
		if s.dir, err = os.MkdirTemp("", "hydrant-bench-"); err != nil {
			return err
		}
		defer os.RemoveAll(s.dir)
	}
	if s.dir, err = filepath.Abs(s.dir); err != nil {
		return err
	}
	benches := []struct {
		name string
		run  func(settings) error
	}{{"cold", benchCold}, {"hydrate", benchHydrate}, {"memory", benchMemory}, {"native", benchNative}}
	found := false
	for _, b := range benches {
		if which != b.name && which != "all" {
			continue
		}
		found = true
		if err := b.run(s); err != nil {
			return fmt.Errorf("%s: %w", b.name, err)
		}
	}
	if !found {
		return fmt.Errorf("unknown benchmark %q", which)
	}
	return nil
}
