//go:build vfs

package main

import (
	"bufio"
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"os"
	"strings"
	"syscall"
	"time"
)

// step and done are those of bench/coldstart/script.go.
type step struct {
	Name       string  `json:"name"`
	SQL        string  `json:"sql"`
	Exec       bool    `json:"exec"`
	Args       []int64 `json:"args"`
	For        float64 `json:"for"`
	UntilLocal bool    `json:"until_local"`
	Pause      float64 `json:"pause"`
	Each       bool    `json:"each"`
	WaitLocal  bool    `json:"wait_local"`
}

type done struct {
	Step    string             `json:"step"`
	Figures map[string]float64 `json:"figures"`
	Queries []query            `json:"queries,omitempty"`
	Began   int64              `json:"began,omitempty"`
}

type query struct {
	At   float64 `json:"at"`
	Took float64 `json:"took"`
	Cold bool    `json:"cold,omitempty"`
}

// ask opens the database by a strategy, plays the script, and tells what it took.
func ask(ctx context.Context, strategy, url, path, script string) error {
	b, err := os.ReadFile(script)
	if err != nil {
		return err
	}
	var steps []step
	if err := json.Unmarshal(b, &steps); err != nil {
		return err
	}
	begin := time.Now()
	db, local, err := open(ctx, strategy, url, path)
	if err != nil {
		return err
	}
	defer db.Close()
	conn, err := db.Conn(ctx)
	if err != nil {
		return err
	}
	defer conn.Close()
	out := json.NewEncoder(os.Stdout)
	for _, s := range steps {
		from := time.Now()
		d := done{Step: s.Name, Began: begin.UnixNano()}
		n, err := play(ctx, conn, s, from, begin, local, &d)
		if err != nil {
			return errors.Join(errors.New(s.Name), err)
		}
		d.Figures = map[string]float64{"": time.Since(from).Seconds(), "at": time.Since(begin).Seconds(), "n": float64(n)}
		if err := out.Encode(d); err != nil {
			return err
		}
	}
	cpu, rss := used()
	return out.Encode(done{Figures: map[string]float64{"cpu": cpu, "rss": rss}})
}

func play(ctx context.Context, conn *sql.Conn, s step, from, begin time.Time, local func() bool, d *done) (n int, err error) {
	if s.WaitLocal {
		for !local() {
			time.Sleep(time.Millisecond)
		}
		return 0, nil
	}
	st, err := conn.PrepareContext(ctx, s.SQL)
	if err != nil {
		return 0, err
	}
	defer st.Close()
	again := func() bool {
		switch {
		case s.For > 0:
			return time.Since(from).Seconds() < s.For
		case s.UntilLocal:
			return !local()
		}
		return n < len(s.Args)
	}
	for n == 0 || again() {
		var args []any
		if len(s.Args) > 0 {
			args = []any{s.Args[n%len(s.Args)]}
		}
		cold, at := !local(), time.Now()
		if err := once(ctx, st, s.Exec, args); err != nil {
			return n, err
		}
		if s.Each {
			d.Queries = append(d.Queries, query{at.Sub(begin).Seconds(), time.Since(at).Seconds(), cold})
		}
		n++
		if s.Pause > 0 {
			time.Sleep(time.Duration(s.Pause * float64(time.Second)))
		}
	}
	return n, nil
}

func once(ctx context.Context, st *sql.Stmt, exec bool, args []any) error {
	if exec {
		_, err := st.ExecContext(ctx, args...)
		return err
	}
	rows, err := st.QueryContext(ctx, args...)
	if err != nil {
		return err
	}
	defer rows.Close()
	cols, err := rows.Columns()
	if err != nil {
		return err
	}
	values, refs := make([]sql.RawBytes, len(cols)), make([]any, len(cols))
	for i := range values {
		refs[i] = &values[i]
	}
	for rows.Next() {
		if err := rows.Scan(refs...); err != nil {
			return err
		}
	}
	return rows.Err()
}

// used is processor time in seconds and peak memory in bytes.
func used() (cpu, rss float64) {
	var ru syscall.Rusage
	if syscall.Getrusage(syscall.RUSAGE_SELF, &ru) == nil {
		cpu = time.Duration(ru.Utime.Nano() + ru.Stime.Nano()).Seconds()
	}
	f, err := os.Open("/proc/self/status")
	if err != nil {
		return cpu, 0
	}
	defer f.Close()
	for in := bufio.NewScanner(f); in.Scan(); {
		if rest, ok := strings.CutPrefix(in.Text(), "VmHWM:"); ok {
			var kib float64
			_ = json.Unmarshal([]byte(strings.Fields(rest)[0]), &kib)
			rss = kib * 1024
		}
	}
	return cpu, rss
}
