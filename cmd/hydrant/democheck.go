package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"

	"golang.org/x/sync/errgroup"

	"hydrant/internal/shopdb"
)

// check opens the file without us, and holds it against an oracle: the origin, copied without us,
// with the same SQL run on it by SQLite as it is.
func (d *stage) check(ctx context.Context) error {
	d.say("\n5  An ordinary file: SQLite's own VFS, a process without hydrant's")
	c, err := d.child(ctx, stepPlain, d.file("app.db"))
	if err != nil {
		return err
	}
	defer c.kill()
	if _, err := c.next("row"); err != nil {
		return err
	}
	d.say("   both commits are there")
	if _, err := c.next("checked"); err != nil {
		return err
	}
	d.say("   integrity_check says ok")
	if err := c.end(); err != nil {
		return err
	}
	oracle := d.file("oracle.db")
	if err := d.oracle(ctx, oracle); err != nil {
		return err
	}
	return d.compare(ctx, oracle)
}

func (d *stage) oracle(ctx context.Context, path string) error {
	if err := copyFile(d.origin, path); err != nil {
		return err
	}
	for _, q := range []string{demoFirst, demoSecond} {
		if err := execPlain(ctx, path, q); err != nil {
			return err
		}
	}
	return nil
}

func execPlain(ctx context.Context, path, query string) error {
	db, err := shopdb.OpenPlain(path)
	if err != nil {
		return err
	}
	_, err = db.ExecContext(ctx, query)
	if cerr := db.Close(); err == nil {
		err = cerr
	}
	return err
}

// compare holds every page and every row of the hydrated file against the oracle's. Pages the SQL
// wrote may differ in what SQLite leaves to chance, though they mostly do not; rows may not.
func (d *stage) compare(ctx context.Context, oracle string) error {
	d.say("\n6  Compared with the origin, copied without hydrant, with the same SQL run on it")
	var p pages
	var rows [2]string
	g, gctx := errgroup.WithContext(ctx)
	g.Go(func() (err error) {
		p, err = comparePages(d.file("app.db"), oracle, d.origin)
		return err
	})
	for i, path := range []string{d.file("app.db"), oracle} {
		g.Go(func() (err error) {
			rows[i], err = hashPlain(gctx, path)
			return err
		})
	}
	if err := g.Wait(); err != nil {
		return err
	}
	switch {
	case p.wrong > 0:
		return fmt.Errorf("%d pages differ that no SQL has written to", p.wrong)
	case rows[0] != rows[1]:
		return fmt.Errorf("rows differ: %s and %s", rows[0], rows[1])
	}
	d.say("   %s pages the same byte for byte, of %s; the SQL wrote to %s, and %s of those differ",
		count(p.same), count(p.same+p.loose), count(p.written), count(p.loose))
	d.say("   all rows the same: sha256 %s…", rows[0][:16])
	return nil
}

func hashPlain(ctx context.Context, path string) (string, error) {
	db, err := shopdb.OpenPlain(path)
	if err != nil {
		return "", err
	}
	sum, err := shopdb.Hash(ctx, db)
	if cerr := db.Close(); err == nil {
		err = cerr
	}
	return sum, err
}

// pages count what a comparison of three files found.
type pages struct {
	same    uint64 // as in the oracle
	written uint64 // by the SQL: oracle and origin differ
	loose   uint64 // unlike the oracle, and written by the SQL
	wrong   uint64 // unlike the oracle, and not written
}

func comparePages(path, oracle, origin string) (p pages, err error) {
	var files [3]*os.File
	for i, name := range []string{path, oracle, origin} {
		if files[i], err = os.Open(name); err != nil {
			return p, err
		}
		defer func() { _ = files[i].Close() }()
	}
	const page, chunk = shopdb.DefaultPageSize, 256 * shopdb.DefaultPageSize
	var bufs [3][]byte
	for off := int64(0); ; off += chunk {
		longest := 0
		for i, f := range files {
			buf := make([]byte, chunk)
			n, err := f.ReadAt(buf, off)
			if err != nil && err != io.EOF {
				return p, err
			}
			bufs[i], longest = buf[:n], max(longest, n)
		}
		if longest == 0 {
			return p, nil
		}
		for at := 0; at < longest; at += page {
			p.count(pageAt(bufs[0], at), pageAt(bufs[1], at), pageAt(bufs[2], at))
		}
	}
}

func pageAt(buf []byte, at int) []byte {
	return buf[min(at, len(buf)):min(at+shopdb.DefaultPageSize, len(buf))]
}

func (p *pages) count(here, oracle, origin []byte) {
	written := !bytes.Equal(oracle, origin)
	if written {
		p.written++
	}
	switch {
	case bytes.Equal(here, oracle):
		p.same++
	case written:
		p.loose++
	default:
		p.wrong++
	}
}

func copyFile(from, to string) error {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer func() { _ = in.Close() }()
	out, err := os.OpenFile(to, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	_, err = io.Copy(out, in)
	if cerr := out.Close(); err == nil {
		err = cerr
	}
	return err
}
