//go:build vfs

// Command peers runs what others offer for the same purpose, for the harness in bench/coldstart to
// measure beside hydrant. It is a module of its own, so that nothing of theirs is in hydrant's; what
// it shares with the harness is the form of scripts and answers (play.go).
//
//	peers replicate DATABASE DIR          make the replicas that Litestream's VFS reads
//	peers sql STRATEGY URL PATH SCRIPT    open by a strategy, and ask
package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
)

func main() {
	slog.SetDefault(slog.New(slog.NewTextHandler(os.Stderr, &slog.HandlerOptions{Level: slog.LevelError})))
	if err := run(context.Background(), os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "peers:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string) error {
	switch {
	case len(args) == 3 && args[0] == "replicate":
		return replicate(ctx, args[1], args[2])
	case len(args) == 5 && args[0] == "sql":
		return ask(ctx, args[1], args[2], args[3], args[4])
	}
	return errors.New("this is for the harness alone")
}
