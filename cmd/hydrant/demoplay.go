package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"time"

	"hydrant/clone"
	"hydrant/clone/state"
	"hydrant/internal/units"
)

// killAt is how much of the clone is here when its process is killed, in percent.
const killAt = 40

// result is what a way of opening the database costs.
type result struct {
	row, commit, whole time.Duration // from the start of a fresh process; whole is work, not waiting
	rowCost            cost
	total              cost
}

// cost is what the server has counted.
type cost struct{ requests, bytes int64 }

func (c cost) String() string {
	return fmt.Sprintf("%d requests, %s", c.requests, units.FormatSize(c.bytes))
}

func (d *stage) cost() cost {
	s := d.server.Stats()
	return cost{s.Total, s.BytesOut}
}

// play tells the story.
func (d *stage) play(ctx context.Context) error {
	d.say("A database of %s in S3, %v away; %s per connection, %s in all.",
		units.FormatSize(d.size), d.flags.rtt, rateName(d.flags.bandwidth.n), rateName(d.flags.link.n))
	d.say("The server is inside this program and counts; each step is a fresh process.")
	download, err := d.download(ctx)
	if err != nil {
		return fmt.Errorf("download, then open: %w", err)
	}
	hydrant, err := d.hydrate(ctx)
	if err != nil {
		return fmt.Errorf("open with hydrant: %w", err)
	}
	if err := d.check(ctx); err != nil {
		return fmt.Errorf("check: %w", err)
	}
	return d.table(download, hydrant)
}

func rateName(n int64) string {
	if n == 0 {
		return "any bandwidth"
	}
	return exactSize(n) + "/s"
}

// say writes a line of the story.
func (d *stage) say(format string, args ...any) { _ = printf(d.t, format+"\n", args...) }

func (d *stage) download(ctx context.Context) (r result, err error) {
	d.say("\n1  Download, then open: %d connections, parts of %s", downloadConnections, units.FormatSize(downloadPart))
	d.server.Reset()
	c, err := d.child(ctx, stepDownload, d.file("download.db"), d.url)
	if err != nil {
		return r, err
	}
	defer c.kill()
	here, err := c.next("here")
	if err != nil {
		return r, err
	}
	r.whole, r.total = here.At, d.cost()
	if err := d.first(c, &r); err != nil {
		return r, err
	}
	return r, c.end()
}

// first waits for the first row and the first commit of a child.
func (d *stage) first(c *child, r *result) error {
	row, err := c.next("row")
	if err != nil {
		return err
	}
	r.row, r.rowCost = row.At, d.cost()
	d.say("   first row     after %-8s %s", formatElapsed(r.row), r.rowCost)
	commit, err := c.next("commit")
	if err != nil {
		return err
	}
	r.commit = commit.At
	d.say("   first commit  after %-8s %s", formatElapsed(r.commit), d.cost())
	return nil
}

func (d *stage) hydrate(ctx context.Context) (r result, err error) {
	path := d.file("app.db")
	d.say("\n2  Open at once with hydrant")
	d.server.Reset()
	start := time.Now()
	c, err := d.child(ctx, stepOpen, path, d.url)
	if err != nil {
		return r, err
	}
	defer c.kill()
	if err := d.first(c, &r); err != nil {
		return r, err
	}
	if err := d.watch(ctx, path, killAt); err != nil {
		return r, err
	}
	at, err := c.write()
	if err != nil {
		return r, err
	}
	ran := time.Since(start)
	c.kill()
	d.say("   one more commit, in the middle of hydration, took %s", formatElapsed(at.Took))

	s, err := clone.Inspect(path)
	if err != nil {
		return r, err
	}
	d.say("\n3  kill -9, right after that commit\n   %s of %s are kept", percent(s), units.FormatSize(s.Size))
	if err := d.resume(ctx, path, &r, ran); err != nil {
		return r, err
	}
	return r, d.detached(path)
}

// resume opens the clone of a dead process and sees it complete.
func (d *stage) resume(ctx context.Context, path string, r *result, ran time.Duration) error {
	c, err := d.child(ctx, stepResume, path)
	if err != nil {
		return err
	}
	defer c.kill()
	row, err := c.next("row")
	if err != nil {
		return err
	}
	d.say("   opened again by another process: the commit is there, read after %s", formatElapsed(row.At))
	d.say("\n4  Complete")
	if err := d.watch(ctx, path, 100); err != nil {
		return err
	}
	whole, err := c.next("whole")
	if err != nil {
		return err
	}
	r.whole, r.total = ran+whole.At, d.cost()
	d.say("   all of it is here after %s of running: %s", formatElapsed(r.whole), r.total)
	return c.end()
}

// detached makes sure that nothing of us is left.
func (d *stage) detached(path string) error {
	if _, err := os.Stat(path + state.Suffix); !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("%s: still there: %w", path+state.Suffix, err)
	}
	d.say("   the state file is gone: what is left is an ordinary file")
	return nil
}

// watch shows how the clone fills up, as "hydrant status" sees it, until it is that full.
func (d *stage) watch(ctx context.Context, path string, until float64) error {
	bar := newProgress(d.t.err, "   hydrating")
	defer bar.clear()
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for {
		s, err := clone.Inspect(path)
		if err != nil {
			return err
		}
		bar.show(momentOf(s))
		switch {
		case s.Percent() >= until:
			return nil
		case s.State == clone.StateStalled:
			return errors.New(s.Error)
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-tick.C:
		}
	}
}

// table ends the story.
func (d *stage) table(download, hydrant result) error {
	d.say("\n%-24s %20s %10s", "", "download, then open", "hydrant")
	line := func(name, a, b, note string) {
		d.say("%s", strings.TrimRight(fmt.Sprintf("%-24s %20s %10s   %s", name, a, b, note), " "))
	}
	line("first row", formatElapsed(download.row), formatElapsed(hydrant.row), sooner(download.row, hydrant.row))
	line("first commit", formatElapsed(download.commit), formatElapsed(hydrant.commit), sooner(download.commit, hydrant.commit))
	line("fetched by the first row", units.FormatSize(download.rowCost.bytes), units.FormatSize(hydrant.rowCost.bytes), "")
	line("all of it here", formatElapsed(download.whole), formatElapsed(hydrant.whole), "with one kill -9")
	line("requests", fmt.Sprint(download.total.requests), fmt.Sprint(hydrant.total.requests), "")
	line("bytes", units.FormatSize(download.total.bytes), units.FormatSize(hydrant.total.bytes), "")
	return nil
}

func sooner(a, b time.Duration) string {
	ratio := a.Seconds() / b.Seconds()
	switch {
	case ratio < 1:
		return fmt.Sprintf("%.1f × later", 1/ratio)
	case ratio < 10:
		return fmt.Sprintf("%.1f × sooner", ratio)
	}
	return fmt.Sprintf("%.0f × sooner", ratio)
}
