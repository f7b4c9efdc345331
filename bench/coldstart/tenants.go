package coldstart

import (
	"context"
	"database/sql"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime/debug"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"golang.org/x/sync/errgroup"

	"hydrant/bench/report"
	"hydrant/internal/shopdb"
	"hydrant/sqlitevfs"
)

// A service with a database for each of its customers starts: so many, so large, opened by so many
// at a time.
const (
	tenantCount    = 1000
	tenantSize     = 1 << 20
	tenantParallel = 64
)

// tenants measures the opening of many small databases by one process. Hydration is off, so that
// what is measured is openings, and the memory of clones that are open and idle.
func (r *run) tenants(ctx context.Context, round int) error {
	if r.server == nil {
		r.note("The thousand small databases were left out: they need a server of ours.")
		return nil
	}
	path := filepath.Join(r.dir, fmt.Sprintf("shop-%d.db", tenantSize))
	if _, err := os.Stat(path); err != nil {
		if err := shopdb.Create(ctx, path, shopdb.Options{Size: tenantSize, Seed: 3}); err != nil {
			return err
		}
	}
	n := tenantCount
	if r.Size < 50e6 { // somebody is trying the harness out
		n = 50
	}
	if round == 0 {
		b, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		for i := range n {
			r.server.Put(tenantBucket, tenantKey(i), b)
		}
	}
	w, err := study(ctx, path)
	if err != nil {
		return err
	}
	dir := r.file("tenants")
	defer os.RemoveAll(dir)
	for _, s := range []struct{ strategy, from string }{
		{native, path}, {cold, r.server.Source(tenantBucket, tenantKey(0))},
	} {
		o, err := r.child(ctx, "tenants", s.strategy, s.from, dir, strconv.Itoa(n), w.Point, strconv.FormatInt(w.First, 10))
		if err != nil {
			return err
		}
		if s.strategy == cold {
			o.figures["trips"] = o.figures["all"] * float64(min(tenantParallel, n)) / float64(n) / max(r.RTT.Seconds(), 1e-9)
		}
		o.figures["n"] = float64(n)
		r.keep(s.strategy, "tenants", o)
	}
	return nil
}

const tenantBucket = "tenants"

func tenantKey(i int) string { return fmt.Sprintf("%05d.db", i) }

// runTenants is the process of tenants: tenants STRATEGY FROM DIR COUNT QUERY ID. Native connections
// are all to one file: what is measured of them is their memory.
func runTenants(ctx context.Context, args []string, _ io.Writer) (map[string]float64, error) {
	n, err := strconv.Atoi(args[3])
	if err != nil {
		return nil, err
	}
	id, err := strconv.ParseInt(args[5], 10, 64)
	if err != nil {
		return nil, err
	}
	if err := os.MkdirAll(args[2], 0o755); err != nil {
		return nil, err
	}
	raiseFiles()
	open := func(i int) (*sql.DB, float64, error) {
		begin := time.Now()
		db, err := openTenant(args[0], args[1], filepath.Join(args[2], tenantKey(i)), i)
		if err != nil {
			return nil, 0, err
		}
		db.SetMaxOpenConns(1)
		st, err := db.PrepareContext(ctx, args[4])
		if err != nil {
			return db, 0, err
		}
		defer st.Close()
		return db, time.Since(begin).Seconds(), runOne(ctx, st, false, []any{id})
	}
	debug.FreeOSMemory()
	before, err := statusOf("VmRSS")
	if err != nil {
		return nil, err
	}
	var mu sync.Mutex
	var dbs []*sql.DB
	var took []float64
	begin := time.Now()
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(tenantParallel)
	for i := range n {
		g.Go(func() error {
			if gctx.Err() != nil {
				return gctx.Err()
			}
			db, sec, err := open(i)
			mu.Lock()
			defer mu.Unlock()
			if db != nil {
				dbs, took = append(dbs, db), append(took, sec)
			}
			return err
		})
	}
	err = g.Wait()
	all := time.Since(begin).Seconds()
	defer func() {
		var wg sync.WaitGroup
		for _, db := range dbs {
			wg.Go(func() { _ = db.Close() })
		}
		wg.Wait()
	}()
	if err != nil {
		return nil, err
	}
	debug.FreeOSMemory() // what the openings themselves took and gave back is not the clones'
	after, err := statusOf("VmRSS")
	if err != nil {
		return nil, err
	}
	return map[string]float64{
		"all": all, "p50": report.Percentile(took, 50), "p99": report.Percentile(took, 99),
		"clone": (after - before) / float64(n),
	}, nil
}

func openTenant(strategy, from, path string, i int) (*sql.DB, error) {
	if strategy == native {
		return shopdb.OpenPlain(from)
	}
	return sqlitevfs.Open(path, strings.Replace(from, tenantKey(0), tenantKey(i), 1), &sqlitevfs.Params{NoHydrate: true})
}

// raiseFiles lets the process open as many files as it may.
func raiseFiles() {
	var lim syscall.Rlimit
	if syscall.Getrlimit(syscall.RLIMIT_NOFILE, &lim) == nil {
		lim.Cur = lim.Max
		_ = syscall.Setrlimit(syscall.RLIMIT_NOFILE, &lim)
	}
}
