package coldstart

import (
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"runtime"
	"time"

	"golang.org/x/sys/unix"

	"hydrant/bench/report"
	"hydrant/internal/shopdb"
	"hydrant/sqlitevfs"
	"hydrant/sqlitevfs/shim"
)

// nativeSize is the database of the comparison, bytes: small enough to stay in the page cache, so
// that what differs is the way to it.
const nativeSize = 200_000_000

// native compares a hydrated clone, still open through hydrant, with the same database opened by
// SQLite's own VFS, in one process, taking turns. Each round has new files: how these happen to lie in
// memory makes more of a difference than what is measured.
func (r *run) native(ctx context.Context, round int) error {
	from := r.path
	if r.work.Size > nativeSize && r.Source == "" {
		var err error
		if from, err = r.makeDatabase(ctx, nativeSize); err != nil {
			return err
		}
	}
	w, err := study(ctx, from)
	if err != nil {
		return err
	}
	script := r.file("workload.json")
	b, err := json.Marshal(w)
	if err != nil {
		return err
	}
	if err := os.WriteFile(script, b, 0o644); err != nil {
		return err
	}
	o, err := r.child(ctx, "native", from, r.file("native"), script)
	if err != nil {
		return err
	}
	r.keep(hydrated, "native", o)
	return nil
}

// chore is one thing to do to a database; it returns how often it did it.
type chore struct {
	name  string
	setup string // of the connection
	run   func(db *sql.DB, w *workload, round int) (int, error)
}

var chores = []chore{
	{"point", "PRAGMA journal_mode=DELETE", choresPoint},
	{"scan", "PRAGMA journal_mode=DELETE", choresScan},
	{"mmap", "PRAGMA mmap_size=1073741824", choresScan},
	{"commit", "PRAGMA mmap_size=0; PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL", choresCommit},
}

// choreRounds is how often the two take turns.
const choreRounds = 15

// runNative is the process of native: native ORIGIN PATH WORKLOAD.
func runNative(ctx context.Context, args []string, _ io.Writer) (map[string]float64, error) {
	var w workload
	b, err := os.ReadFile(args[2])
	if err != nil {
		return nil, err
	}
	if err := json.Unmarshal(b, &w); err != nil {
		return nil, err
	}
	plain, path := args[1]+".plain", args[1]+".db"
	defer remove(path)
	defer remove(plain)
	remove(path)
	if err := copyFile(plain, args[0]); err != nil {
		return nil, err
	}
	hyd, err := sqlitevfs.Open(path, args[0], nil)
	if err != nil {
		return nil, err
	}
	defer hyd.Close()
	hyd.SetMaxOpenConns(1)
	if _, err := hyd.ExecContext(ctx, "SELECT hydrant_wait(120)"); err != nil {
		return nil, err
	}
	nat, err := shopdb.OpenPlain(plain)
	if err != nil {
		return nil, err
	}
	defer nat.Close()
	// How the pages of a file lie in the kernel's cache depends on how they were written: both begin
	// from the disk.
	for _, p := range []string{plain, path} {
		if err := dropCache(p); err != nil {
			return nil, err
		}
	}
	f := map[string]float64{}
	for _, c := range chores {
		if err := c.compare(ctx, nat, hyd, &w, f); err != nil {
			return nil, fmt.Errorf("%s: %w", c.name, err)
		}
	}
	return f, nil
}

// compare has the two do the chore in turns, and adds the medians and that of the ratios of pairs.
func (c chore) compare(ctx context.Context, nat, hyd *sql.DB, w *workload, f map[string]float64) error {
	both := []*sql.DB{nat, hyd}
	for _, db := range both {
		if _, err := db.ExecContext(ctx, c.setup); err != nil {
			return err
		}
		if _, err := c.run(db, w, 0); err != nil { // warm
			return err
		}
	}
	before := shim.GoEntries()
	var times [2][]float64
	var ratios []float64
	for round := range choreRounds {
		var sec [2]float64
		for i := range 2 {
			which := (i + round) % 2
			begin := time.Now()
			n, err := c.run(both[which], w, round)
			if err != nil {
				return err
			}
			sec[which] = time.Since(begin).Seconds() / float64(n)
			times[which] = append(times[which], sec[which])
		}
		ratios = append(ratios, sec[1]/sec[0])
	}
	f[c.name+".native"], f[c.name+".hydrant"] = report.Median(times[0]), report.Median(times[1])
	f[c.name+".ratio"] = report.Median(ratios)
	f[c.name+".entries"] = float64(shim.GoEntries() - before)
	return nil
}

func choresPoint(db *sql.DB, w *workload, round int) (int, error) {
	st, err := db.Prepare(w.Point)
	if err != nil {
		return 0, err
	}
	defer st.Close()
	const n = 10_000
	for i := range n {
		if err := runOne(context.Background(), st, false, []any{w.Points[(i+round)%len(w.Points)]}); err != nil {
			return 0, err
		}
	}
	return n, nil
}

func choresScan(db *sql.DB, w *workload, _ int) (int, error) {
	var n, sum int64
	return 1, db.QueryRow(w.Scan).Scan(&n, &sum)
}

func choresCommit(db *sql.DB, w *workload, round int) (int, error) {
	const n = 1000
	for i := range n {
		if _, err := db.Exec(w.Insert, w.Points[(i+round)%len(w.Points)]); err != nil {
			return 0, err
		}
	}
	return n, nil
}

// dropCache makes the kernel forget a file, in a descriptor that stays open: closing it would take
// SQLite's locks along.
func dropCache(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	runtime.SetFinalizer(f, nil)
	if err := f.Sync(); err != nil {
		return err
	}
	return unix.Fadvise(int(f.Fd()), 0, 0, unix.FADV_DONTNEED)
}
