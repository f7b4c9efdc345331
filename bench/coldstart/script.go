package coldstart

import (
	"context"
	"database/sql"
	"encoding/json"
	"errors"
	"io"
	"time"

	"hydrant/bench/report"
)

// step is something to ask of a database, and how often. Scripts of them go to the processes that
// measure as JSON, to the rivals' as well: bench/peers knows the same form.
type step struct {
	Name string  `json:"name"` // what its figures are called
	SQL  string  `json:"sql"`
	Exec bool    `json:"exec,omitempty"` // it returns no rows
	Args []int64 `json:"args,omitempty"` // run once with each; without any, once with none

	For        float64 `json:"for,omitempty"`         // over and over for so many seconds
	UntilLocal bool    `json:"until_local,omitempty"` // over and over until all is local
	Pause      float64 `json:"pause,omitempty"`       // seconds between two
	Each       bool    `json:"each,omitempty"`        // tell what each took
	WaitLocal  bool    `json:"wait_local,omitempty"`  // no SQL: wait until all is local
}

// done is what a process tells after a step, a line of JSON.
type done struct {
	Step    string             `json:"step"`
	Figures map[string]float64 `json:"figures"` // by the end of their names: "" is what it took
	Queries []report.Query     `json:"queries,omitempty"`
	Local   []report.Local     `json:"local,omitempty"`
	Began   int64              `json:"began,omitempty"` // when the process began to work, nanoseconds since 1970
}

// player plays a script on one connection.
type player struct {
	db    *sql.Conn
	begin time.Time
	out   io.Writer

	local func() bool  // whether all is local; nil: it always is
	cold  func() int64 // counts what only cold pages cause; nil: nothing
	read  func() int64 // counts bytes read from files; nil: nobody counts
}

func (p *player) play(ctx context.Context, script []step) error {
	for _, s := range script {
		d, err := p.step(ctx, s)
		if err != nil {
			return errors.Join(errors.New(s.Name), err)
		}
		if err := json.NewEncoder(p.out).Encode(d); err != nil {
			return err
		}
	}
	return nil
}

func (p *player) step(ctx context.Context, s step) (done, error) {
	d := done{Step: s.Name, Figures: map[string]float64{}, Began: p.begin.UnixNano()}
	read := count(p.read)
	from := time.Now()
	n, err := p.run(ctx, s, from, &d)
	d.Figures[""] = time.Since(from).Seconds()
	d.Figures["at"] = time.Since(p.begin).Seconds()
	d.Figures["n"] = float64(n)
	if p.read != nil {
		d.Figures["needed"] = float64(count(p.read) - read)
	}
	return d, err
}

func count(f func() int64) int64 {
	if f == nil {
		return 0
	}
	return f()
}

// run does what s says; it returns how many queries that were.
func (p *player) run(ctx context.Context, s step, from time.Time, d *done) (n int, err error) {
	if s.WaitLocal {
		for p.local != nil && !p.local() {
			time.Sleep(time.Millisecond)
		}
		return 0, nil
	}
	st, err := p.db.PrepareContext(ctx, s.SQL)
	if err != nil {
		return 0, err
	}
	defer st.Close()
	again := func() bool {
		switch {
		case s.For > 0:
			return time.Since(from).Seconds() < s.For
		case s.UntilLocal:
			return p.local != nil && !p.local()
		}
		return n < len(s.Args)
	}
	for n == 0 || again() {
		var args []any
		if len(s.Args) > 0 {
			args = []any{s.Args[n%len(s.Args)]}
		}
		cold, begin := count(p.cold), time.Now()
		if err := runOne(ctx, st, s.Exec, args); err != nil {
			return n, err
		}
		if s.Each {
			d.Queries = append(d.Queries, report.Query{
				At: begin.Sub(p.begin).Seconds(), Took: time.Since(begin).Seconds(), Cold: count(p.cold) != cold,
			})
		}
		n++
		if s.Pause > 0 {
			time.Sleep(time.Duration(s.Pause * float64(time.Second)))
		}
	}
	return n, nil
}

func runOne(ctx context.Context, st *sql.Stmt, exec bool, args []any) error {
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
