package main

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"golang.org/x/sync/errgroup"
	"golang.org/x/sys/unix"

	"hydrant/clone"
	"hydrant/internal/pattern"
	"hydrant/internal/s3test"
	"hydrant/source/scheme"
)

func init() {
	strategies["plain"] = plainDownload
	strategies["hydrant"] = hydrate
}

// benchHydrate compares hydration with plain parallel ranged downloads: 8 MiB ranges over 8, 16
// and 32 connections, written to a file and, as a clone is when it is complete, synced.
func benchHydrate(s settings) error {
	blob := filepath.Join(s.dir, "blob")
	if err := writeBlob(blob, s.size); err != nil {
		return err
	}
	srv, url, err := serve(s, blob)
	if err != nil {
		return err
	}
	defer srv.Close()
	all := samples{}
	conns := []int{8, 16, 32}
	for round := range s.rounds {
		for _, n := range conns {
			f, err := runChild(srv.Env(), "plain", url, filepath.Join(s.dir, "plain"), strconv.Itoa(n))
			if err != nil {
				return err
			}
			all.add(fmt.Sprintf("plain%d.", n), f)
		}
		f, err := runChild(srv.Env(), "hydrant", url, filepath.Join(s.dir, "hydrant"))
		if err != nil {
			return err
		}
		all.add("hydrant.", f)
		fmt.Fprintf(os.Stderr, "\rround %d of %d", round+1, s.rounds)
	}
	fmt.Fprint(os.Stderr, "\r                \r")

	mb := float64(s.size) / 1e6
	best, bestN := 0.0, 0
	fmt.Printf("hydration of %.0f MB, %v to first byte, %.0f MB/s per connection, medians of %d\n", mb, s.rtt, float64(s.bandwidth)/1e6, s.rounds)
	fmt.Printf("  %-24s %10s %10s %10s %10s\n", "", "MB/s", "unsynced", "CPU s", "RSS MiB")
	row := func(name, p string) {
		fmt.Printf("  %-24s %10.0f %10.0f %10.2f %10.0f\n", name, mb/all.median(p+"synced"), mb/all.median(p+"written"), all.median(p+"cpu"), all.median(p+"rss")/(1<<20))
	}
	for _, n := range conns {
		p := fmt.Sprintf("plain%d.", n)
		row(fmt.Sprintf("plain, %d connections", n), p)
		if v := mb / all.median(p+"synced"); v > best {
			best, bestN = v, n
		}
	}
	row("hydrant", "hydrant.")
	fmt.Printf("  hydrant against the best plain one (%d): %.2f\n\n", bestN, mb/all.median("hydrant.synced")/best)
	return nil
}

func writeBlob(path string, size int64) error {
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	_, err = io.Copy(f, pattern.Blob{Seed: 1}.Reader(size))
	if cerr := f.Close(); err == nil {
		err = cerr
	}
	return err
}

// serve starts the S3 server with the file at path as its one object.
func serve(s settings, path string) (*s3test.Server, string, error) {
	srv := s3test.New(s3test.Options{Network: s3test.Network{Latency: s3test.Fixed(s.rtt), Bandwidth: s.bandwidth}})
	if err := srv.Start(); err != nil {
		return nil, "", err
	}
	srv.CreateBucket("bench")
	if _, err := srv.PutFile("bench", "blob", path); err != nil {
		srv.Close()
		return nil, "", err
	}
	return srv, srv.Source("bench", "blob"), nil
}

func plainDownload(args []string) (figures, error) {
	conns, err := strconv.Atoi(args[2])
	if err != nil {
		return nil, err
	}
	defer os.Remove(args[1])
	return download(args[0], args[1], conns)
}

// download gets the blob by ranges of 8 MiB over conns connections, and syncs it.
func download(url, path string, conns int) (figures, error) {
	ctx := context.Background()
	src, err := scheme.Open(ctx, url, scheme.Options{})
	if err != nil {
		return nil, err
	}
	defer src.Close()
	os.Remove(path)
	f, err := os.Create(path)
	if err != nil {
		return nil, err
	}
	begin := time.Now()
	id, _, err := src.Identify(ctx, 1)
	if err != nil {
		return nil, err
	}
	const part = 8 << 20
	var g errgroup.Group
	g.SetLimit(conns)
	for off := int64(0); off < id.Size; off += part {
		g.Go(func() error {
			r, err := src.ReadRange(ctx, id, off, min(part, id.Size-off))
			if err != nil {
				return err
			}
			defer r.Close()
			buf := make([]byte, 256<<10)
			_, err = io.CopyBuffer(struct{ io.Writer }{io.NewOffsetWriter(f, off)}, r, buf)
			return err
		})
	}
	if err := g.Wait(); err != nil {
		return nil, err
	}
	written := time.Since(begin)
	if err := unix.Fdatasync(int(f.Fd())); err != nil {
		return nil, err
	}
	return figures{"written": written.Seconds(), "synced": time.Since(begin).Seconds()}, f.Close()
}

func hydrate(args []string) (figures, error) {
	ctx := context.Background()
	os.Remove(args[1])
	os.Remove(args[1] + "-hydrant")
	begin := time.Now()
	src, err := scheme.Open(ctx, args[0], scheme.Options{})
	if err != nil {
		return nil, err
	}
	c, err := clone.OpenPath(ctx, src, args[1], nil)
	if err != nil {
		return nil, err
	}
	opened := time.Since(begin)
	var local time.Duration
	for local == 0 {
		s := c.Status()
		if s.RegionsHydrated == s.RegionsTotal {
			local = time.Since(begin)
		}
		time.Sleep(2 * time.Millisecond)
	}
	if err := c.Wait(ctx); err != nil {
		return nil, err
	}
	complete := time.Since(begin)
	s := c.Status()
	err = c.Close()
	os.Remove(args[1])
	return figures{"opened": opened.Seconds(), "written": local.Seconds(), "synced": complete.Seconds(),
		"requests": float64(s.Requests), "fetched": float64(s.BytesFetched)}, err
}
