package main

import (
	"database/sql/driver"
	"math"
	"strings"
	"testing"

	"github.com/mattn/go-sqlite3"
)

func TestPrintRow(t *testing.T) {
	conn, err := (&sqlite3.SQLiteDriver{}).Open(":memory:")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = conn.Close() }()
	var b strings.Builder
	p, err := newPrinter(&b, conn)
	if err != nil {
		t.Fatal(err)
	}
	row := []driver.Value{
		int64(-7), nil, "a|b", 2.0, 0.1, 1e100, -2.5e-7, math.Inf(-1), []byte{0xff, 0, 'x'}, "", nil,
	}
	for range 2 {
		if err := p.row(row); err != nil {
			t.Fatal(err)
		}
	}
	if err := p.Close(); err != nil {
		t.Fatal(err)
	}
	want := "-7||a|b|2.0|0.1|1.0e+100|-2.5e-07|-Inf|\xff\x00x||\n"
	if got := b.String(); got != want+want {
		t.Errorf("%q, want %q twice", got, want)
	}
}
