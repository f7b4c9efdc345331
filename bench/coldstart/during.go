package coldstart

import (
	"context"
	"errors"
	"io"
	"os"
	"slices"
	"sync/atomic"
	"time"

	"hydrant/bench/report"
	"hydrant/internal/shopdb"
)

// beside is the strategy that hydrated pages are held against while hydration runs: the same
// queries on a local file, by SQLite's own VFS, while the same process downloads the same bytes.
const beside = "native, beside a download"

// queryPause lies between two queries. Without one, those that find their pages here would be
// most of what the machine does.
const queryPause = 0.0005

// during measures queries while the database hydrates: those that wait for cold pages and those
// that find theirs, apart.
func (r *run) during(ctx context.Context, round int) error {
	steps := []step{
		{Name: "row", SQL: r.work.Point, Args: []int64{r.work.First}},
		{Name: "queries", SQL: r.work.Point, Args: r.rotated(round), UntilLocal: true, Each: true, Pause: queryPause},
	}
	path := r.file("during.db")
	defer remove(path)
	for _, s := range []string{cold, beside} {
		remove(path)
		own := steps
		if s == cold {
			own = append(slices.Clip(steps), step{Name: "complete", SQL: "SELECT hydrant_wait(120)"})
		} else if err := copyFile(path, r.path); err != nil {
			return err
		}
		script, err := r.script(own)
		if err != nil {
			return err
		}
		args := []string{"sql", s, r.url, path, script}
		if s == beside {
			args = []string{"beside", r.url, path, r.file("beside"), script}
		}
		o, err := r.child(ctx, args...)
		if err != nil {
			return err
		}
		r.keep(s, "during", o)
		r.latencies(s, o.queries)
		if s == cold {
			r.timeline(duringName, o)
		}
	}
	return r.peers.during(ctx, r, steps, round)
}

// duringName is what the timeline of that experiment is called.
const duringName = "cold, with queries"

// rotated are the rows asked for in a round: others in each, so that what is cold is not the same.
func (r *run) rotated(round int) []int64 {
	n := len(r.work.Points)
	at := round * 500 % n
	return slices.Concat(r.work.Points[at:], r.work.Points[:at])
}

// latencies keeps what queries took, of all rounds.
func (r *run) latencies(strategy string, queries []report.Query) {
	var took [2][]float64
	for _, q := range queries {
		i := 0
		if q.Cold {
			i = 1
		}
		took[i] = append(took[i], q.Took)
	}
	figures := map[string]float64{"during.hit.n": float64(len(took[0])), "during.cold.n": float64(len(took[1]))}
	for i, name := range []string{"hit", "cold"} {
		if len(took[i]) > 0 {
			figures["during."+name+".p50"] = report.Percentile(took[i], 50)
			figures["during."+name+".p99"] = report.Percentile(took[i], 99)
		}
	}
	r.report.Samples.Add(strategy, figures)
	for i := range r.report.Latencies {
		if l := &r.report.Latencies[i]; l.Strategy == strategy {
			l.Queries = append(l.Queries, queries...)
			return
		}
	}
	r.report.Latencies = append(r.report.Latencies, report.Latency{Strategy: strategy, Queries: queries})
}

// runBeside asks a local database while it downloads another: beside URL PATH DOWNLOAD SCRIPT.
func runBeside(ctx context.Context, args []string, out io.Writer) (map[string]float64, error) {
	script, err := readScript(args[3])
	if err != nil {
		return nil, err
	}
	db, err := shopdb.OpenPlain(args[1])
	if err != nil {
		return nil, err
	}
	defer db.Close()
	defer os.Remove(args[2])
	p := &player{begin: time.Now(), out: out}
	var local atomic.Bool
	p.local = local.Load
	fetched := make(chan error, 1)
	go func() {
		_, err := download(ctx, args[0], args[2], 16)
		local.Store(true)
		fetched <- err
	}()
	return nil, errors.Join(playOn(ctx, db, p, script), <-fetched)
}
