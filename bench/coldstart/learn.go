package coldstart

import (
	"context"
	"errors"
	"io"
	"time"

	"hydrant/clone"
	"hydrant/clone/trace"
	"hydrant/source"
	"hydrant/source/scheme"
)

// tracedKey is the same database once more, with a trace beside it.
const tracedKey = "traced.db"

// learn has the database used once as it is used in each round, but for the random points, which are
// others, and publishes the trace of that, as "hydrant trace publish" does.
func (r *run) learn(ctx context.Context) error {
	if r.server == nil {
		return nil
	}
	r.tell("recording a trace")
	if _, err := r.server.PutFile(bucket, tracedKey, r.path); err != nil {
		return err
	}
	steps := r.work.scriptFirst()
	for i := range steps {
		if steps[i].Name == "points" {
			steps[i].Args = r.work.Points[20:40]
		}
	}
	script, err := r.script(steps)
	if err != nil {
		return err
	}
	path := r.file("learn.db")
	defer remove(path)
	_, err = r.child(ctx, "learn", r.urlOf(traced), path, script)
	return err
}

// urlOf is where a strategy finds the database.
func (r *run) urlOf(strategy string) string {
	if strategy == traced {
		return r.server.Source(bucket, tracedKey)
	}
	return r.url
}

// runLearn is the process of learn: learn URL PATH SCRIPT.
func runLearn(ctx context.Context, args []string, _ io.Writer) (map[string]float64, error) {
	script, err := readScript(args[2])
	if err != nil {
		return nil, err
	}
	db, err := openBy(ctx, pages, args[0], args[1])
	if err != nil {
		return nil, err
	}
	err = playOn(ctx, db, &player{begin: time.Now(), out: io.Discard}, script)
	if err := errors.Join(err, db.Close()); err != nil {
		return nil, err
	}
	traces, err := clone.ReadTraces(args[1])
	if err != nil {
		return nil, err
	}
	if traces.Recorded == nil {
		return nil, errors.New("nothing was recorded")
	}
	src, err := scheme.Open(ctx, args[0], scheme.Options{})
	if err != nil {
		return nil, err
	}
	defer src.Close()
	w, ok := source.As[source.SidecarWriter](src)
	if !ok {
		return nil, source.NoSidecar(src)
	}
	return map[string]float64{"ranges.n": float64(len(traces.Recorded.Ranges))}, w.WriteBeside(ctx, trace.Suffix, traces.Recorded.Encode())
}
