// Command hydrant clones a database, or any blob, from where it lies to local disk, and serves it
// while it arrives.
package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"strings"
)

func main() { os.Exit(run(context.Background(), os.Args[1:], os.Stdin, os.Stdout, os.Stderr)) }

// run executes one command line and returns the exit code. Whatever goes wrong is one line on
// stderr.
func run(ctx context.Context, args []string, in io.Reader, out, errw io.Writer) int {
	root := newRoot(&terminal{in: in, out: out, err: errw})
	root.SetArgs(args)
	verb, err := root.ExecuteContextC(ctx)
	if err != nil && err.Error() != "" {
		_, _ = fmt.Fprintln(errw, complaint(strings.TrimPrefix(verb.CommandPath(), "hydrant "), err))
	}
	return exitCode(err)
}
