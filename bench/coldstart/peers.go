package coldstart

import (
	"context"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"hydrant/bench/report"
)

// peers are the rivals of a run, and where their data is; nil when they were not asked for. What they
// do is in bench/peers.
type peers struct {
	command []string
	urls    map[string]string // by strategy
}

// The rivals.
const (
	litestream      = "litestream"
	litestreamBest  = "litestream-best"
	litestreamLocal = "litestream-hydrating"
	litestreamWrite = "litestream-write"
	pageGet         = "pageget"
)

func rivalStrategies() []report.Strategy {
	return []report.Strategy{
		{Name: litestream, Title: "Litestream's VFS", About: "v0.5.18, read only; the replica is a snapshot, 3 files of level 1 and 12 of level 0", Rival: true},
		{Name: litestreamBest, Title: "Litestream's VFS, snapshot", About: "its best case: the replica is one snapshot file", Rival: true},
		{Name: litestreamLocal, Title: "Litestream's VFS, hydrating", About: "with its own hydration switched on", Rival: true},
		{Name: pageGet, Title: "page-GET VFS", About: "psanford's sqlite3vfs over httpreadat: a GET for each page that SQLite reads", Rival: true},
	}
}

// replica is the address of the replica that a strategy reads, false when it reads none.
func (p *peers) replica(strategy string) (url string, ok bool) {
	if p == nil || strategy == pageGet {
		return "", false
	}
	url, ok = p.urls[strategy]
	return url, ok
}

// replicaBucket is where Litestream's replicas are.
const replicaBucket = "replica"

// addPeers builds the rivals, makes the replica that Litestream reads, and serves it.
func (r *run) addPeers(ctx context.Context) error {
	if r.server == nil {
		r.note("The rivals were left out: they need a server of ours.")
		return nil
	}
	binary := r.file("peers")
	r.tell("building the rivals")
	build := exec.CommandContext(ctx, "go", "build", "-tags", "vfs", "-o", binary, ".")
	build.Dir = r.PeersDir
	if out, err := build.CombinedOutput(); err != nil {
		return fmt.Errorf("build the rivals in %s: %w: %s", r.PeersDir, err, strings.TrimSpace(string(out)))
	}
	r.tell("making Litestream's replica")
	from, dir := r.file("replicate.db"), r.file("replicas")
	if err := copyFile(from, r.path); err != nil {
		return err
	}
	p := &peers{command: []string{binary}, urls: map[string]string{pageGet: r.url}}
	if _, err := r.process(ctx, p.command, "replicate", from, dir); err != nil {
		return err
	}
	if err := r.serveTree(dir); err != nil {
		return err
	}
	full := r.server.Source(replicaBucket, "full")
	p.urls[litestream], p.urls[litestreamLocal] = full, full
	p.urls[litestreamBest] = r.server.Source(replicaBucket, "best")
	r.peers = p
	r.report.Strategy = append(r.report.Strategy, rivalStrategies()...)
	return nil
}

// serveTree makes every file below dir an object; those of "full" come a second time for each round
// in which a rival writes, since it changes them.
func (r *run) serveTree(dir string) error {
	return filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		key, err := filepath.Rel(dir, path)
		if err != nil {
			return err
		}
		keys := []string{filepath.ToSlash(key)}
		if rest, ok := strings.CutPrefix(keys[0], "full/"); ok {
			for round := range r.Runs {
				keys = append(keys, writePrefix(round)+"/"+rest)
			}
		}
		for _, k := range keys {
			if _, err := r.server.PutFile(replicaBucket, k, path); err != nil {
				return err
			}
		}
		return nil
	})
}

func writePrefix(round int) string { return fmt.Sprintf("write-%d", round) }

// ask has a rival play a script in a fresh process.
func (p *peers) ask(ctx context.Context, r *run, strategy, url string, steps []step) (*outcome, error) {
	path := r.file("peer.db")
	defer func() {
		remove(path)
		_ = os.Remove(path + ".meta")
	}()
	script, err := r.script(steps)
	if err != nil {
		return nil, err
	}
	return r.process(ctx, p.command, "sql", strategy, url, path, script)
}

// partOf is how many times longer the table is than what the rivals scan of it: they send a request
// for each page, and nobody has that much patience.
const partOf = 1000

// each plays an experiment's script by every rival that only reads.
func (p *peers) each(ctx context.Context, r *run, experiment string) error {
	if p == nil {
		return nil
	}
	script := r.work.scriptRead()
	if experiment == "scan" {
		script = []step{{Name: "row", SQL: r.work.Point, Args: []int64{r.work.First}}, {Name: "part", SQL: r.work.Part}}
	}
	for _, s := range []string{litestream, litestreamBest, pageGet} {
		if experiment == "scan" && s == litestreamBest {
			continue // it is the same for every page
		}
		o, err := p.ask(ctx, r, s, p.urls[s], script)
		if err != nil {
			return err
		}
		r.keep(s, experiment, o)
		if experiment == "first" {
			r.timeline(s, o)
		}
	}
	return nil
}

// commits measures one-row transactions from the opening on.
func (p *peers) commits(ctx context.Context, r *run, script []step, round int) error {
	if p == nil {
		return nil
	}
	o, err := p.ask(ctx, r, litestreamWrite, r.server.Source(replicaBucket, writePrefix(round)), script)
	if err == nil {
		r.keep(litestream, "commits", o)
	}
	return err
}

// settled is how many point queries are asked of what is hydrated.
const settled = 500

// hydration measures Litestream's, and point queries after it, beside those of a hydrated clone.
func (p *peers) hydration(ctx context.Context, r *run) error {
	if p == nil {
		return nil
	}
	points := step{Name: "points", SQL: r.work.Point, Args: r.work.Points[:min(settled, len(r.work.Points))]}
	o, err := p.ask(ctx, r, litestreamLocal, p.urls[litestreamLocal], []step{
		{Name: "row", SQL: r.work.Point, Args: []int64{r.work.First}}, {Name: "local", WaitLocal: true}, points,
	})
	if err != nil {
		return err
	}
	o.figures["rate"] = float64(r.work.Size) / o.figures["local.at"]
	r.keep(litestreamLocal, "hydrate", o)
	r.timeline(litestreamLocal, o)
	return r.sql(ctx, hydrated, "settled", []step{{Name: "row", SQL: r.work.Point, Args: []int64{r.work.First}}, points})
}

// patience is how many seconds lie between two queries while Litestream hydrates: each of them waits
// for the network, and there is no telling apart.
const patience = 0.02

// during asks queries while Litestream hydrates.
func (p *peers) during(ctx context.Context, r *run, script []step, round int) error {
	if p == nil || round > 0 {
		return nil
	}
	for i := range script {
		if script[i].UntilLocal {
			script[i].Pause = patience
		}
	}
	o, err := p.ask(ctx, r, litestreamLocal, p.urls[litestreamLocal], script)
	if err == nil {
		r.keep(litestreamLocal, "during", o)
		r.latencies(litestreamLocal, o.queries)
	}
	return err
}
