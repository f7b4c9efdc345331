package main

import (
	"bufio"
	"context"
	"database/sql"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"

	"hydrant/internal/shopdb"
	"hydrant/sqlitevfs"
)

// The steps that children play.
const (
	stepDownload = "download"
	stepOpen     = "open"
	stepResume   = "resume"
	stepPlain    = "plain"
)

// What an application might ask and change first.
const (
	demoQuery = `SELECT o.id FROM orders o JOIN customers c ON c.id = o.customer_id
		ORDER BY o.created_at DESC LIMIT 1`
	demoFirst = `INSERT INTO orders(customer_id, status, total_cents, created_at, tracking, note)
		VALUES(7, 'paid', 4200, '2031-01-01 00:00:00', 'demo-1', 'written at once')`
	demoSecond = `INSERT INTO orders(customer_id, status, total_cents, created_at, tracking, note)
		VALUES(7, 'paid', 4300, '2031-01-01 00:00:01', 'demo-2', 'written in the middle of hydration')`
	demoBoth  = `SELECT count(*) FROM orders WHERE created_at >= '2031' AND tracking IN ('demo-1', 'demo-2')`
	demoCheck = `PRAGMA integrity_check`
)

// demoStep is a child at work.
type demoStep struct {
	in    *bufio.Reader
	out   io.Writer
	begin time.Time
}

func newDemoSteps(t *terminal) []*cobra.Command {
	step := func(name string, args int, run func(*demoStep, context.Context, []string) error) *cobra.Command {
		return &cobra.Command{
			Use: "demo-" + name, Hidden: true, Args: cobra.ExactArgs(args),
			RunE: func(c *cobra.Command, args []string) error {
				s := &demoStep{in: bufio.NewReader(t.in), out: t.out, begin: time.Now()}
				return run(s, c.Context(), args)
			},
		}
	}
	return []*cobra.Command{
		step(stepDownload, 2, (*demoStep).download),
		step(stepOpen, 2, (*demoStep).open),
		step(stepResume, 1, (*demoStep).resume),
		step(stepPlain, 1, (*demoStep).plain),
	}
}

func (s *demoStep) tell(e event) error {
	e.At = time.Since(s.begin)
	return json.NewEncoder(s.out).Encode(e)
}

// What a good tool downloads with; these are the defaults of the AWS command line.
const (
	downloadConnections = 10
	downloadPart        = 8 << 20
)

// download fetches the whole first and opens it then, with SQLite as it is.
func (s *demoStep) download(ctx context.Context, args []string) error {
	path, url := args[0], args[1]
	if err := fetchWhole(ctx, url, path); err != nil {
		return err
	}
	if err := s.tell(event{What: "here"}); err != nil {
		return err
	}
	db, err := shopdb.OpenPlain(path)
	if err != nil {
		return err
	}
	if err := s.first(ctx, db); err != nil {
		return err
	}
	return db.Close()
}

func fetchWhole(ctx context.Context, url, path string) error {
	src, err := openSource(ctx, url)
	if err != nil {
		return err
	}
	id, _, err := src.Identify(ctx, 1)
	if err != nil {
		return err
	}
	f, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(downloadConnections)
	for off := int64(0); off < id.Size; off += downloadPart {
		g.Go(func() error {
			r, err := src.ReadRange(ctx, id, off, min(downloadPart, id.Size-off))
			if err != nil {
				return err
			}
			_, err = io.Copy(io.NewOffsetWriter(f, off), r)
			if cerr := r.Close(); err == nil {
				err = cerr
			}
			return err
		})
	}
	if err := g.Wait(); err != nil {
		return err
	}
	return f.Close()
}

// durable makes commits wait for the disk: what a commit takes is then what it takes to be one.
func durable(ctx context.Context, db *sql.DB) error {
	db.SetMaxOpenConns(1)
	_, err := db.ExecContext(ctx, "PRAGMA synchronous=FULL")
	return err
}

// first asks for a row and commits a change, as an application does when it begins.
func (s *demoStep) first(ctx context.Context, db *sql.DB) error {
	if err := durable(ctx, db); err != nil {
		return err
	}
	var id int64
	if err := db.QueryRowContext(ctx, demoQuery).Scan(&id); err != nil {
		return err
	}
	if err := s.tell(event{What: "row"}); err != nil {
		return err
	}
	if _, err := db.ExecContext(ctx, demoFirst); err != nil {
		return err
	}
	return s.tell(event{What: "commit"})
}

// open uses the clone while it fills up, until it is killed.
func (s *demoStep) open(ctx context.Context, args []string) error {
	db, err := sqlitevfs.Open(args[0], args[1], nil)
	if err != nil {
		return err
	}
	if err := s.first(ctx, db); err != nil {
		return err
	}
	if _, err := s.in.ReadString('\n'); err != nil {
		return err
	}
	began := time.Now()
	if _, err := db.ExecContext(ctx, demoSecond); err != nil {
		return err
	}
	if err := s.tell(event{What: "written", Took: time.Since(began)}); err != nil {
		return err
	}
	_, err = s.in.ReadString('\n') // here it is killed
	return err
}

// resume goes on with the clone that the killed one left.
func (s *demoStep) resume(ctx context.Context, args []string) error {
	db, err := sqlitevfs.Open(args[0], "", nil)
	if err != nil {
		return err
	}
	if err := wantBoth(ctx, db); err != nil {
		return err
	}
	if err := s.tell(event{What: "row"}); err != nil {
		return err
	}
	var done any
	if err := db.QueryRowContext(ctx, "SELECT hydrant_wait()").Scan(&done); err != nil {
		return err
	}
	if err := s.tell(event{What: "whole"}); err != nil {
		return err
	}
	return db.Close()
}

// plain opens the file with SQLite's own VFS, in a process in which there is no other.
func (s *demoStep) plain(ctx context.Context, args []string) error {
	db, err := shopdb.OpenPlain(args[0])
	if err != nil {
		return err
	}
	if err := wantBoth(ctx, db); err != nil {
		return err
	}
	if err := s.tell(event{What: "row"}); err != nil {
		return err
	}
	var verdict string
	if err := db.QueryRowContext(ctx, demoCheck).Scan(&verdict); err != nil {
		return err
	}
	if verdict != "ok" {
		return fmt.Errorf("integrity_check: %s", verdict)
	}
	if err := s.tell(event{What: "checked"}); err != nil {
		return err
	}
	return db.Close()
}

func wantBoth(ctx context.Context, db *sql.DB) error {
	var n int
	if err := db.QueryRowContext(ctx, demoBoth).Scan(&n); err != nil {
		return err
	}
	if n != 2 {
		return fmt.Errorf("%d of 2 committed orders are there", n)
	}
	return nil
}
