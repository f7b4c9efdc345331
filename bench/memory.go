package main

import (
	"context"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"syscall"
	"time"

	"hydrant/clone"
	"hydrant/internal/pattern"
	"hydrant/internal/s3test"
	"hydrant/source/scheme"
)

func init() {
	strategies["memory"] = holdMemory
}

// bigBlob is the size of the sparse source, bytes.
const bigBlob = 100 << 30

// benchMemory measures what a clone costs however large its source: the memory of a process that
// hydrates at full rate, and processor time and state file of attaching.
func benchMemory(s settings) error {
	srv := s3test.New(s3test.Options{Network: s3test.Network{Latency: s3test.Fixed(s.rtt), Bandwidth: s.bandwidth}})
	if err := srv.Start(); err != nil {
		return err
	}
	defer srv.Close()
	srv.CreateBucket("bench")
	fmt.Printf("memory and attaching, 4 KiB regions\n  %-12s %14s %16s %14s\n", "source", "peak RSS MiB", "attach CPU ms", "state MiB")
	for _, size := range []int64{s.size, bigBlob} {
		key := strconv.FormatInt(size, 10)
		srv.PutReaderAt("bench", key, pattern.Blob{Seed: 2, ZeroEvery: 2 << 20, ZeroRun: 1 << 20}, size, `"`+key+`"`)
		f, err := runChild(srv.Env(), "memory", srv.Source("bench", key), filepath.Join(s.dir, "memory"))
		if err != nil {
			return err
		}
		fmt.Printf("  %-12s %14.0f %16.1f %14.1f\n", sizeName(size), f["rss"]/(1<<20), f["attach_cpu"]*1e3, f["state"]/(1<<20))
	}
	fmt.Println()
	return nil
}

func sizeName(n int64) string {
	if n >= 1<<30 && n%(1<<30) == 0 {
		return fmt.Sprintf("%d GiB", n>>30)
	}
	return fmt.Sprintf("%.0f MB", float64(n)/1e6)
}

// holdMemory makes a clone, hydrates at full rate for a while, closes, and attaches again.
func holdMemory(args []string) (figures, error) {
	ctx := context.Background()
	path := args[1]
	remove := func() {
		os.Remove(path)
		os.Remove(path + "-hydrant")
	}
	remove()
	defer remove()
	open := func(opts *clone.Options) (*clone.Clone, error) {
		src, err := scheme.Open(ctx, args[0], scheme.Options{})
		if err != nil {
			return nil, err
		}
		return clone.OpenPath(ctx, src, path, opts)
	}
	c, err := open(&clone.Options{Keep: true})
	if err != nil {
		return nil, err
	}
	wait, cancel := context.WithTimeout(ctx, 4*time.Second)
	c.Wait(wait) // a hundred gibibytes are not there by then
	cancel()
	if err := c.Close(); err != nil {
		return nil, err
	}
	st, err := os.Stat(path + "-hydrant")
	if err != nil {
		return nil, err
	}
	off := false
	before := cpu()
	if c, err = open(&clone.Options{Keep: true, NoBackground: true, Knobs: clone.Knobs{Hydration: &off}}); err != nil {
		return nil, err
	}
	if _, err := c.ReadAt(ctx, make([]byte, 4096), 0); err != nil {
		return nil, err
	}
	attach := cpu() - before
	return figures{"attach_cpu": attach, "state": float64(blocks(st))}, c.Close()
}

// blocks is how many bytes of the disk a file takes.
func blocks(fi fs.FileInfo) int64 { return fi.Sys().(*syscall.Stat_t).Blocks * 512 }
