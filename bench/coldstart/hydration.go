package coldstart

import (
	"context"
	"fmt"
	"io"
	"strconv"
	"time"

	"hydrant/clone"
	"hydrant/source/scheme"
)

// plainConns are the connections of the plain downloads; the best of them is the bound.
var plainConns = []int{8, 16, 32}

// hydration measures how long it takes until all is here when nobody asks for anything, against
// downloads by ranges of 8 MiB and by the SDK's transfer manager, written to a file and synced.
func (r *run) hydration(ctx context.Context, round int) error {
	path := r.file("hydrate.db")
	defer remove(path)
	one := func(strategy string, args ...string) error {
		remove(path)
		o, err := r.child(ctx, args...)
		if err == nil {
			r.keep(strategy, "hydrate", o)
		}
		return err
	}
	for _, n := range plainConns {
		if err := one(rangedName(n), "ranged", r.url, path, strconv.Itoa(n)); err != nil {
			return err
		}
	}
	if isS3(r.url) {
		for _, n := range []int{0, 32} {
			if err := one(transferName(n), "transfer", r.url, path, strconv.Itoa(n)); err != nil {
				return err
			}
		}
	}
	if err := one(cold, "hydrate", r.url, path); err != nil {
		return err
	}
	return r.peers.hydration(ctx, r)
}

func rangedName(conns int) string { return fmt.Sprintf("ranged GETs, %d", conns) }

func transferName(conns int) string {
	if conns == 0 {
		return "transfer manager, its default"
	}
	return fmt.Sprintf("transfer manager, %d", conns)
}

func isS3(url string) bool { return len(url) > 5 && url[:5] == "s3://" }

func runRanged(ctx context.Context, args []string, _ io.Writer) (map[string]float64, error) {
	n, err := strconv.Atoi(args[2])
	if err != nil {
		return nil, err
	}
	return download(ctx, args[0], args[1], n)
}

func runTransfer(ctx context.Context, args []string, _ io.Writer) (map[string]float64, error) {
	n, err := strconv.Atoi(args[2])
	if err != nil {
		return nil, err
	}
	return transfer(ctx, args[0], args[1], n)
}

// runHydrate hydrates a clone and does nothing else: hydrate URL PATH.
func runHydrate(ctx context.Context, args []string, _ io.Writer) (map[string]float64, error) {
	begin := time.Now()
	src, err := scheme.Open(ctx, args[0], scheme.Options{})
	if err != nil {
		return nil, err
	}
	c, err := clone.OpenPath(ctx, src, args[1], nil)
	if err != nil {
		return nil, err
	}
	figures := map[string]float64{"opened": time.Since(begin).Seconds()}
	for {
		if s := c.Status(); s.RegionsHydrated == s.RegionsTotal {
			break
		}
		time.Sleep(2 * time.Millisecond)
	}
	figures["written"] = time.Since(begin).Seconds()
	if err := c.Wait(ctx); err != nil {
		return nil, err
	}
	figures["synced"] = time.Since(begin).Seconds()
	figures["rate"] = float64(c.Status().Size) / figures["synced"]
	return figures, c.Close()
}
