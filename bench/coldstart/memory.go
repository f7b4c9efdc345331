package coldstart

import (
	"context"
	"fmt"
	"io"
	"io/fs"
	"os"
	"syscall"
	"time"

	"hydrant/clone"
	"hydrant/clone/state"
	"hydrant/internal/pattern"
	"hydrant/internal/s3test"
	"hydrant/source/scheme"
)

// bigBlob is the size of the sparse source, bytes.
const bigBlob = 100 << 30

// memory measures what a clone costs however large its source: the memory of a process that
// hydrates at full rate for a while, and processor time and state file of attaching.
func (r *run) memory(ctx context.Context, round int) error {
	if round > 0 {
		return nil
	}
	srv := s3test.New(s3test.Options{Network: r.network()})
	if err := srv.Start(); err != nil {
		return err
	}
	defer srv.Close()
	// A run of its own, for the server is another.
	other := &run{Settings: r.Settings, dir: r.dir, origin: &origin{server: srv, env: os.Environ()}}
	for k, v := range srv.Env() {
		other.env = append(other.env, k+"="+v)
	}
	for name, size := range map[string]int64{"size": r.Size, "big": bigBlob} {
		srv.PutReaderAt(bucket, name, pattern.Blob{Seed: 2, ZeroEvery: 2 << 20, ZeroRun: 1 << 20}, size, name)
		o, err := other.child(ctx, "memory", srv.Source(bucket, name), r.file("memory"))
		if err != nil {
			return fmt.Errorf("%s: %w", name, err)
		}
		r.keep(cold, "memory."+name, o)
	}
	return nil
}

// runMemory makes a clone, hydrates at full rate for a while, closes, and attaches again.
func runMemory(ctx context.Context, args []string, _ io.Writer) (map[string]float64, error) {
	path := args[1]
	remove(path)
	defer remove(path)
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
	_ = c.Wait(wait) // a hundred gibibytes are not there by then
	cancel()
	if err := c.Close(); err != nil {
		return nil, err
	}
	st, err := os.Stat(path + state.Suffix)
	if err != nil {
		return nil, err
	}
	off := false
	before, _, err := used()
	if err != nil {
		return nil, err
	}
	if c, err = open(&clone.Options{Keep: true, NoBackground: true, Knobs: clone.Knobs{Hydration: &off}}); err != nil {
		return nil, err
	}
	if _, err := c.ReadAt(ctx, make([]byte, 4096), 0); err != nil {
		return nil, err
	}
	after, _, err := used()
	if err != nil {
		return nil, err
	}
	return map[string]float64{"attach": after - before, "state": float64(blocks(st))}, c.Close()
}

// blocks is how many bytes of the disk a file takes.
func blocks(fi fs.FileInfo) int64 { return fi.Sys().(*syscall.Stat_t).Blocks * 512 }
