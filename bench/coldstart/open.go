package coldstart

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"hydrant/bench/report"
	"hydrant/clone"
	"hydrant/clone/state"
	"hydrant/internal/shopdb"
	"hydrant/sqlitevfs"
	"hydrant/sqlitevfs/shim"
)

// The ways to get at the database that are here. What else people use is in bench/peers.
const (
	native   = "native"
	fetched  = "download"
	pages    = "pages"
	cold     = "cold"
	half     = "half"
	traced   = "trace"
	hydrated = "hydrated"
)

func ownStrategies() []report.Strategy {
	return []report.Strategy{
		{Name: native, Title: "native, local file", About: "the file is here, SQLite's own VFS, page cache warm", Plain: true},
		{Name: fetched, Title: "download, then open", About: "AWS SDK transfer manager, 32 connections, parts of 8 MiB, then SQLite's own VFS", Plain: true},
		{Name: pages, Title: "hydrant, hydrate=off", About: "remote pages as they are asked for, nothing ahead"},
		{Name: cold, Title: "hydrant, cold", About: "the first opening: no file, no trace"},
		{Name: traced, Title: "hydrant, with a trace", About: "the first opening, with a trace beside the source: of a run with the same first queries and other random points"},
		{Name: half, Title: "hydrant, half hydrated", About: "opened again when half of it is here"},
		{Name: hydrated, Title: "hydrant, hydrated", About: "opened by hydrant when all of it is here"},
	}
}

// runSQL opens the database by a strategy and plays a script: sql STRATEGY URL PATH SCRIPT.
func runSQL(ctx context.Context, args []string, out io.Writer) (map[string]float64, error) {
	strategy, url, path := args[0], args[1], args[2]
	script, err := readScript(args[3])
	if err != nil {
		return nil, err
	}
	p := &player{begin: time.Now(), out: out}
	db, err := openBy(ctx, strategy, url, path)
	if err != nil {
		return nil, err
	}
	defer db.Close()
	switch strategy {
	case native:
		p.read = bytesRead
	case cold, traced, half:
		w := watch(path, p.begin)
		defer func() { _ = json.NewEncoder(out).Encode(done{Local: w.stop()}) }()
		p.local, p.cold = w.local.Load, shim.GoEntries
	case pages:
		p.cold = shim.GoEntries
	}
	return nil, playOn(ctx, db, p, script)
}

func openBy(ctx context.Context, strategy, url, path string) (*sql.DB, error) {
	switch strategy {
	case native:
		return shopdb.OpenPlain(path)
	case fetched:
		if err := fetchAll(ctx, url, path); err != nil {
			return nil, err
		}
		return shopdb.OpenPlain(path)
	case pages:
		return sqlitevfs.Open(path, url, &sqlitevfs.Params{NoHydrate: true})
	case cold, traced, half:
		return sqlitevfs.Open(path, url, nil)
	case hydrated:
		return sqlitevfs.Open(path, "", nil)
	}
	return nil, fmt.Errorf("%q: no such strategy", strategy)
}

// fetchAll downloads with the AWS SDK's transfer manager what is in S3, and the rest by ranges.
func fetchAll(ctx context.Context, url, path string) (err error) {
	if isS3(url) {
		_, err = transfer(ctx, url, path, 32)
	} else {
		_, err = download(ctx, url, path, 32)
	}
	return err
}

func playOn(ctx context.Context, db *sql.DB, p *player, script []step) error {
	conn, err := db.Conn(ctx)
	if err != nil {
		return err
	}
	defer conn.Close()
	p.db = conn
	return p.play(ctx, script)
}

func readScript(path string) (script []step, err error) {
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	return script, json.Unmarshal(b, &script)
}

// watcher looks at a clone from outside, as "hydrant status" does, while it fills up.
type watcher struct {
	local atomic.Bool
	quit  chan struct{}
	over  sync.WaitGroup
	seen  []report.Local
}

// watchEvery is short against what it shows, and long against what looking costs.
const watchEvery = 4 * time.Millisecond

func watch(path string, begin time.Time) *watcher {
	w := &watcher{quit: make(chan struct{})}
	w.over.Go(func() {
		tick := time.NewTicker(watchEvery)
		defer tick.Stop()
		for !w.local.Load() {
			if f, ok := fraction(path); ok {
				w.seen = append(w.seen, report.Local{At: time.Since(begin).Seconds(), Fraction: f})
				w.local.Store(f == 1)
			}
			select {
			case <-w.quit:
				return
			case <-tick.C:
			}
		}
	})
	return w
}

func (w *watcher) stop() []report.Local {
	close(w.quit)
	w.over.Wait()
	return w.seen
}

// fraction is how much of the clone at path is local; false when that cannot be told just now.
func fraction(path string) (float64, bool) {
	s, err := clone.Inspect(path)
	switch {
	case err != nil:
		return 0, false
	case s.State == clone.StateDetached || s.State == clone.StateComplete || s.RegionsTotal == 0:
		return 1, true
	}
	return float64(s.RegionsHydrated) / float64(s.RegionsTotal), true
}

// runPrepare leaves a clone behind of which so much is local: prepare FRACTION URL PATH.
func runPrepare(ctx context.Context, args []string, _ io.Writer) (map[string]float64, error) {
	var want float64
	if _, err := fmt.Sscan(args[0], &want); err != nil {
		return nil, err
	}
	remove(args[2])
	db, err := sqlitevfs.Open(args[2], args[1], nil)
	if err != nil {
		return nil, err
	}
	for {
		f, ok := fraction(args[2])
		if ok && f >= want {
			break
		}
		time.Sleep(time.Millisecond)
	}
	if want == 1 {
		if _, err := db.ExecContext(ctx, "SELECT hydrant_wait(120)"); err != nil {
			return nil, errors.Join(err, db.Close())
		}
	}
	return nil, db.Close()
}

// remove takes away a clone and whatever lies around it.
func remove(path string) {
	for _, suffix := range []string{"", state.Suffix, "-wal", "-shm", "-journal"} {
		_ = os.Remove(path + suffix)
		_ = os.Remove(clone.PrivateName(path, suffix))
	}
}
