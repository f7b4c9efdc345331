package coldstart

import (
	"context"
	"io"
	"os"
	"slices"

	"hydrant/bench/report"
)

// first measures what somebody waits for who opens the database: by each strategy, in a fresh process.
func (r *run) first(ctx context.Context, round int) error {
	return r.each(ctx, "first", func(s string) []step {
		script := r.work.scriptFirst()
		if s == cold || s == traced || s == half {
			script = append(script, step{Name: "local", WaitLocal: true})
		}
		return script
	})
}

// scan measures reading all of a table.
func (r *run) scan(ctx context.Context, round int) error {
	return r.each(ctx, "scan", func(string) []step { return []step{{Name: "scan", SQL: r.work.Scan}} })
}

// commitSeconds is how long commits are counted: longer than hydration, shorter than patience.
const commitSeconds = 3

// commits measures one-row transactions from the opening on, one after the other.
func (r *run) commits(ctx context.Context, round int) error {
	script := []step{{Name: "commits", SQL: r.work.Insert, Exec: true, Args: r.work.Points, For: commitSeconds}}
	for _, s := range []string{native, cold} {
		if err := r.sql(ctx, s, "commits", script); err != nil {
			return err
		}
	}
	return r.peers.commits(ctx, r, script, round)
}

// each plays an experiment's script by every strategy.
func (r *run) each(ctx context.Context, experiment string, script func(strategy string) []step) error {
	for _, s := range r.own() {
		if err := r.sql(ctx, s.Name, experiment, script(s.Name)); err != nil {
			return err
		}
	}
	return r.peers.each(ctx, r, experiment)
}

// own are the strategies that are here and can be measured: a trace is put beside the database only
// where the server is ours.
func (r *run) own() []report.Strategy {
	return slices.DeleteFunc(ownStrategies(), func(s report.Strategy) bool { return s.Name == traced && r.server == nil })
}

// sql plays a script in a fresh process and keeps what it tells.
func (r *run) sql(ctx context.Context, strategy, experiment string, steps []step) error {
	path := r.file("sql.db")
	remove(path)
	defer remove(path)
	if err := r.prepare(ctx, strategy, path); err != nil {
		return err
	}
	script, err := r.script(steps)
	if err != nil {
		return err
	}
	o, err := r.child(ctx, "sql", strategy, r.urlOf(strategy), path, script)
	if err != nil {
		return err
	}
	r.keep(strategy, experiment, o)
	if experiment == "first" {
		r.timeline(strategy, o)
	}
	return nil
}

// prepare puts there what the strategy begins with.
func (r *run) prepare(ctx context.Context, strategy, path string) error {
	switch strategy {
	case native:
		return copyFile(path, r.path)
	case half:
		_, err := r.child(ctx, "prepare", "0.5", r.url, path)
		return err
	case hydrated:
		_, err := r.child(ctx, "prepare", "1", r.url, path)
		return err
	}
	return nil
}

// timeline keeps what a strategy fetched when, of the last round.
func (r *run) timeline(strategy string, o *outcome) {
	t := report.Timeline{Strategy: strategy, Size: r.work.Size, Requests: o.sent, Local: o.local}
	if _, ok := r.peers.replica(strategy); ok { // other files than the database, in another form
		t.Size = 0
		for _, q := range t.Requests {
			t.Size = max(t.Size, q.Off+q.Len)
		}
	}
	for i, old := range r.report.Timelines {
		if old.Strategy == strategy {
			r.report.Timelines[i] = t
			return
		}
	}
	if len(t.Requests) > 0 {
		r.report.Timelines = append(r.report.Timelines, t)
	}
}

func copyFile(to, from string) error {
	r, err := os.Open(from)
	if err != nil {
		return err
	}
	defer r.Close()
	w, err := os.Create(to)
	if err != nil {
		return err
	}
	_, err = io.Copy(w, r)
	if cerr := w.Close(); err == nil {
		err = cerr
	}
	return err
}
