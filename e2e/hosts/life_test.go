//go:build e2e && linux

package hosts

import (
	"strings"
	"testing"
)

// The tables of shopdb, asked in ways that touch all of each.
var questions = []string{
	"SELECT count(*) || ' ' || total(id) || ' ' || total(length(name)) FROM customers",
	"SELECT count(*) || ' ' || total(id) FROM orders",
}

// A clone's life in each host: made of what lies in S3, asked, changed, shared with another process
// of the same kind and with one in Go, left by kill -9 in the middle of a transaction, completed,
// detached.
func TestLife(t *testing.T) {
	for _, h := range hosts {
		t.Run(h.name, func(t *testing.T) { life(t, h) })
	}
}

func life(t *testing.T, h host) {
	r := newRig(t, 12<<20)
	cold := "HYDRANT_HYDRATE=off"
	a := h.start(t, cold)
	a.open(t, r.path, r.source)
	r.same(t, a, "SELECT name FROM customers WHERE id = 7")
	if p := a.run(t, "SELECT hydrant_progress() < 50"); p != "1" {
		t.Errorf("half of it is here after one row: %s", a.run(t, "SELECT hydrant_status()"))
	}
	if got := a.run(t, "PRAGMA journal_mode=WAL"); got != "wal" {
		t.Fatalf("journal_mode: %s", got)
	}
	r.want.ExecContext(t.Context(), "PRAGMA journal_mode=WAL")
	r.both(t, a, "CREATE TABLE notes(id INTEGER PRIMARY KEY, t)")
	r.both(t, a, "INSERT INTO notes(t) VALUES('first')")

	b, g := h.start(t), goHost.start(t)
	b.open(t, r.path, "")
	g.open(t, r.path, "")
	for _, p := range []*process{b, g, a} {
		p.run(t, "PRAGMA busy_timeout=20000")
		r.both(t, p, "INSERT INTO notes(t) VALUES('"+p.name+"')")
		r.both(t, p, "UPDATE customers SET name = name || '!' WHERE id % 50 = 3")
	}
	for _, p := range []*process{a, b, g} {
		r.same(t, p, "SELECT group_concat(t) FROM notes")
	}

	a.run(t, "BEGIN IMMEDIATE")
	a.run(t, "UPDATE customers SET name = 'gone'")
	a.kill()
	b.run(t, "PRAGMA hydrant_hydrate=on")
	for _, q := range questions {
		r.same(t, b, q)
		r.same(t, g, q)
	}
	r.both(t, b, "INSERT INTO notes(t) VALUES('while it hydrates')")
	if s := g.end(t); s != "" {
		t.Errorf("go says: %s", s)
	}

	c := h.start(t)
	c.open(t, r.path, "")
	if got := c.run(t, "SELECT hydrant_wait(60)"); got != "1" {
		t.Fatalf("hydrant_wait: %s: %s", got, c.run(t, "SELECT hydrant_status()"))
	}
	if got := c.run(t, "PRAGMA hydrant_progress"); got != "100.0" {
		t.Errorf("progress: %s", got)
	}
	if got := c.run(t, "PRAGMA integrity_check"); got != "ok" {
		t.Errorf("integrity_check: %s", got)
	}
	r.both(t, c, "INSERT INTO notes(t) VALUES('complete')")
	r.same(t, b, "SELECT group_concat(t) FROM notes")
	for _, p := range []*process{c, b} {
		if s := p.end(t); strings.TrimSpace(s) != "" {
			t.Errorf("%s says on standard error: %s", p.name, s)
		}
	}
	r.finished(t)
}
