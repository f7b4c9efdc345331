package coldstart

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"

	"hydrant/bench/report"
)

// run is one run of the harness.
type run struct {
	*Settings
	*origin
	dir     string
	work    *workload
	report  *report.Report
	peers   *peers
	scripts int // written so far
}

// experiment is something that is measured, round by round, before the next round begins.
type experiment struct {
	name  string
	about string
	round func(r *run, ctx context.Context, round int) error
}

// experiments are all there are, in the order of a round.
func experiments() []experiment {
	return []experiment{
		{"first", "first row, first commit, 20 points, a range, each strategy", (*run).first},
		{"scan", "a full aggregate scan, cold", (*run).scan},
		{"hydrate", "hydration against plain downloads", (*run).hydration},
		{"during", "queries during hydration", (*run).during},
		{"commits", "commits a second from a cold start", (*run).commits},
		{"blob", "a cold image without SQLite", (*run).blob},
		{"native", "hydrated against native, in one process", (*run).native},
		{"memory", "500 MB and a sparse 100 GiB", (*run).memory},
		{"tenants", "a thousand small databases in one process", (*run).tenants},
	}
}

func experimentNames() (names []string) {
	for _, e := range experiments() {
		names = append(names, e.name)
	}
	return names
}

// Run measures what the settings say.
func Run(ctx context.Context, s *Settings) (_ *report.Report, err error) {
	if err := s.validate(); err != nil {
		return nil, err
	}
	r := &run{Settings: s}
	began := time.Now()
	if err := r.folder(); err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, r.close()) }()
	r.report = &report.Report{Made: began, Machine: machine(), Samples: report.Samples{}, Panels: panels()}
	if m := r.report.Machine; m.Load > float64(m.CPUs)/2 {
		r.note("The machine was busy with other things when this began: a load of %.1f on %d CPUs.", m.Load, m.CPUs)
	}
	if err := r.newOrigin(ctx); err != nil {
		return nil, err
	}
	if r.work, err = study(ctx, r.path); err != nil {
		return nil, err
	}
	r.report.Strategy = r.own()
	if err := r.learn(ctx); err != nil {
		return nil, err
	}
	if s.Peers {
		if err := r.addPeers(ctx); err != nil {
			return nil, err
		}
	}
	if err := r.rounds(ctx); ctx.Err() != nil {
		return nil, fmt.Errorf("interrupted: %w", ctx.Err())
	} else if err != nil {
		return nil, err
	}
	r.report.Source, r.report.Size = r.url, r.work.Size
	r.report.RTT, r.report.Bandwidth, r.report.Runs = s.RTT.Seconds(), s.Bandwidth, s.Runs
	if r.server != nil {
		r.report.Source = "an S3 server inside the harness, on this machine's own cores"
	}
	r.report.Took = time.Since(began).Seconds()
	judge(r)
	return r.report, nil
}

func (r *run) rounds(ctx context.Context) error {
	only := r.only()
	for round := range r.Runs {
		for _, e := range experiments() {
			if len(only) > 0 && !slices.Contains(only, e.name) {
				continue
			}
			r.tell("round %d of %d: %s", round+1, r.Runs, e.about)
			if err := e.round(r, ctx, round); err != nil {
				return fmt.Errorf("%s: %w", e.name, err)
			}
		}
	}
	return nil
}

// folder makes the place to work. What is asked for by name is kept, for its database.
func (r *run) folder() (err error) {
	if r.Dir == "" {
		r.dir, err = os.MkdirTemp("", "hydrant-bench-")
		return err
	}
	if r.dir, err = filepath.Abs(r.Dir); err != nil {
		return err
	}
	return os.MkdirAll(r.dir, 0o755)
}

func (r *run) close() (err error) {
	if r.origin != nil && r.server != nil {
		err = r.server.Close()
	}
	if r.Dir == "" {
		return errors.Join(err, os.RemoveAll(r.dir))
	}
	entries, rerr := os.ReadDir(r.dir)
	for _, e := range entries {
		if !strings.HasPrefix(e.Name(), "shop-") && strings.HasPrefix(e.Name(), work) {
			rerr = errors.Join(rerr, os.RemoveAll(r.file(e.Name())))
		}
	}
	return errors.Join(err, rerr)
}

// work is what the names of files begin with that are taken away in the end.
const work = "work-"

func (r *run) file(name string) string {
	if strings.HasPrefix(name, work) {
		return filepath.Join(r.dir, name)
	}
	return filepath.Join(r.dir, work+name)
}

func (r *run) note(format string, args ...any) {
	if n := fmt.Sprintf(format, args...); !slices.Contains(r.report.Notes, n) {
		r.report.Notes = append(r.report.Notes, n)
	}
}

// script writes a script for a child and returns its name.
func (r *run) script(steps []step) (string, error) {
	b, err := json.Marshal(steps)
	if err != nil {
		return "", err
	}
	r.scripts++
	path := r.file(fmt.Sprintf("script-%d.json", r.scripts))
	return path, os.WriteFile(path, b, 0o644)
}

// keep adds what a process found to the samples.
func (r *run) keep(strategy, experiment string, o *outcome) {
	figures := map[string]float64{}
	for k, v := range o.figures {
		figures[experiment+"."+k] = v
	}
	r.report.Samples.Add(strategy, figures)
}

func machine() report.Machine {
	m := report.Machine{OS: runtime.GOOS, Arch: runtime.GOARCH, CPUs: runtime.NumCPU(), Go: runtime.Version()}
	var u unix.Utsname
	if unix.Uname(&u) == nil {
		m.Kernel = unix.ByteSliceToString(u.Release[:])
	}
	if b, err := os.ReadFile("/proc/loadavg"); err == nil {
		_, _ = fmt.Sscan(string(b), &m.Load)
	}
	return m
}

// panels are what the page shows side by side.
func panels() []report.Panel {
	return []report.Panel{
		{Title: "Opening to first row", Short: "first row", Figure: "first.row.at"},
		{Title: "Opening to first commit", Short: "first commit", Figure: "first.commit.at"},
		{Title: "20 random point queries", Short: "20 points", Figure: "first.points"},
		{Title: "Range of 500 rows", Short: "500 rows", Figure: "first.range"},
		{Title: "Opening and full scan", Short: "full scan", Figure: "scan.scan.at"},
		{Title: "Opening until all is local", Short: "all local", Figure: "first.local.at"},
		{Title: "Requests up to the first row", Short: "requests, first row", Figure: "first.row.requests"},
		{Title: "Bytes up to the first row", Short: "bytes, first row", Figure: "first.row.bytes"},
		{Title: "Peak RSS", Short: "RSS", Figure: "first.rss"},
		{Title: "CPU time", Short: "CPU", Figure: "first.cpu"},
	}
}
