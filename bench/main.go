// Command bench measures hydrant against what people do without it, side by side in one run: the
// same as "hydrant bench coldstart", and what its figures in README come from.
//
//	go run ./bench
//	go run ./bench -size 50MB -runs 1 -html cold.html
//	go run ./bench -peers
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"hydrant/bench/coldstart"
)

// childVerb marks a process that the harness has started.
const childVerb = "child"

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Args[1:]); err != nil && !errors.Is(err, flag.ErrHelp) {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string) error {
	if len(args) > 0 && args[0] == childVerb {
		return coldstart.Child(ctx, args[1:], os.Stdout)
	}
	self, err := os.Executable()
	if err != nil {
		return err
	}
	s := coldstart.New()
	s.Child = []string{self, childVerb}
	s.Tell = func(line string) { fmt.Fprintln(os.Stderr, line) }
	fs := flag.NewFlagSet("bench", flag.ContinueOnError)
	s.Flags(fs)
	if err := fs.Parse(args); err != nil {
		return err
	}
	if fs.NArg() > 0 {
		return fmt.Errorf("%q is one argument too many", fs.Arg(0))
	}
	return coldstart.Print(ctx, s, os.Stdout)
}
