// Package coldstart measures what it takes to use a database that is not here yet: with hydrant, with
// what people do without it, and, when asked, with rivals. Every strategy runs in a fresh process
// against the same S3 server, in interleaved rounds; what counts are medians, and ratios within one
// run. It measures and asserts nothing.
//
// Reading order: settings.go; run.go (rounds of experiments); workload.go (what is asked of the
// database); child.go and script.go (a fresh process that asks it); open.go (the strategies); then a
// file for each experiment, and judge.go, which holds the figures against their bounds.
package coldstart

import (
	"errors"
	"flag"
	"fmt"
	"slices"
	"strings"
	"time"

	"hydrant/internal/units"
)

// Settings say what to measure. New has the defaults.
type Settings struct {
	Source    string        // URL of a database; "": one that is made, in an S3 server in this process
	Size      int64         // of the database that is made, bytes
	RTT       time.Duration // to the first byte of each answer of the server in this process
	Bandwidth int64         // of each of its connections, bytes per second
	Runs      int           // rounds
	Dir       string        // where to work; "": a new folder, removed in the end
	Only      string        // names of experiments with commas between; "": all
	Peers     bool          // the rivals, too
	PeersDir  string        // the source of the rivals' module

	JSON      bool   // print JSON rather than the table
	HTML      string // file for the page; "": none
	Markdown  string // file for a summary in Markdown; "": none
	Benchstat string // file for benchstat's text; "": none

	// Child is the command line of a process that ends up in Child, without the arguments of that.
	Child []string
	// Tell is told now and then, a line each, how far it is. nil: nobody is.
	Tell func(string)
}

// New returns the default settings.
func New() *Settings {
	return &Settings{Size: 500e6, RTT: 30 * time.Millisecond, Bandwidth: 80e6, Runs: 5, PeersDir: "bench/peers"}
}

// Flags makes fs fill in the settings.
func (s *Settings) Flags(fs *flag.FlagSet) {
	fs.StringVar(&s.Source, "source", s.Source, "measure this database, at this `URL`, instead of one made for it")
	fs.Var((*size)(&s.Size), "size", "`SIZE` of the database that is made")
	fs.DurationVar(&s.RTT, "rtt", s.RTT, "time to the first byte of each answer")
	fs.Var((*rate)(&s.Bandwidth), "bandwidth", "`RATE` of each connection")
	fs.IntVar(&s.Runs, "runs", s.Runs, "rounds of each strategy")
	fs.StringVar(&s.Dir, "dir", s.Dir, "`FOLDER` to work in (default: a new one, removed afterwards)")
	fs.StringVar(&s.Only, "only", s.Only, "measure only these `NAMES`, with commas between: "+strings.Join(experimentNames(), ", "))
	fs.BoolVar(&s.Peers, "peers", s.Peers, "the rivals, too: builds them from the module proxy")
	fs.StringVar(&s.PeersDir, "peers-dir", s.PeersDir, "`FOLDER` of the rivals' module")
	fs.BoolVar(&s.JSON, "json", s.JSON, "print all samples as JSON")
	fs.StringVar(&s.HTML, "html", s.HTML, "write a page with plots to this `FILE`")
	fs.StringVar(&s.Markdown, "markdown", s.Markdown, "write a summary in Markdown to this `FILE`")
	fs.StringVar(&s.Benchstat, "benchstat", s.Benchstat, "write the samples for benchstat to this `FILE`")
}

// ErrSettings is returned for settings that make no sense.
var ErrSettings = errors.New("bad setting")

func (s *Settings) validate() error {
	bad := func(format string, args ...any) error {
		return fmt.Errorf("%w: "+format, append([]any{ErrSettings}, args...)...)
	}
	switch {
	case s.Size < 1e6 || s.Size > 100e9:
		return bad("--size %d: want 1MB to 100GB", s.Size)
	case s.RTT < 0 || s.RTT > time.Minute:
		return bad("--rtt %v: want 0 to 1m", s.RTT)
	case s.Bandwidth < 0:
		return bad("--bandwidth %d: want 0 or more", s.Bandwidth)
	case s.Runs < 1 || s.Runs > 1000:
		return bad("--runs %d: want 1 to 1000", s.Runs)
	}
	for _, name := range s.only() {
		if !slices.Contains(experimentNames(), name) {
			return bad("--only %s: no such experiment; want %s", name, strings.Join(experimentNames(), ", "))
		}
	}
	return nil
}

func (s *Settings) only() []string {
	return strings.FieldsFunc(s.Only, func(r rune) bool { return r == ',' || r == ' ' })
}

func (s *Settings) tell(format string, args ...any) {
	if s.Tell != nil {
		s.Tell(fmt.Sprintf(format, args...))
	}
}

// size is a number of bytes as a flag.
type size int64

func (n *size) String() string { return exact(int64(*n)) }

func (n *size) Set(s string) error {
	v, err := units.ParseSize(s)
	*n = size(v)
	return err
}

// rate is bytes per second as a flag.
type rate int64

func (n *rate) String() string { return exact(int64(*n)) + "/s" }

func (n *rate) Set(s string) error {
	v, err := units.ParseRate(s)
	*n = rate(v)
	return err
}

// exact writes a number so that it is read back unchanged.
func exact(n int64) string {
	if n >= 1e6 && n%1e6 == 0 {
		return fmt.Sprintf("%dMB", n/1e6)
	}
	return fmt.Sprint(n)
}
