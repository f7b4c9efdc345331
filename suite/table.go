package main

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"sync"
)

// table is the outcome of everything.
type table struct {
	columns []column
	mu      sync.Mutex                     // guards rows
	rows    map[string]map[string]*outcome // by file, by column
}

func newTable(columns []column) *table {
	return &table{columns: columns, rows: map[string]map[string]*outcome{}}
}

func (t *table) add(o *outcome) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.rows[o.file] == nil {
		t.rows[o.file] = map[string]*outcome{}
	}
	t.rows[o.file][o.column] = o
}

// skips stands for the tests of a file that asks what VFS it has, and leaves most out.
const skips = "(skips tests)"

// print writes the files in which columns differ, each difference with its reason, and the sums. It
// returns how many differences have none.
func (t *table) print(w io.Writer, e *explained) (bad int) {
	unix := columns[0].name
	tests, errs, reasons := map[string]int{}, map[string]int{}, map[string]int{}
	for _, file := range slices.Sorted(maps.Keys(t.rows)) {
		row := t.rows[file]
		var notes []string
		for _, col := range t.columns {
			o := row[col.name]
			if o == nil {
				continue
			}
			tests[col.name] += o.tests
			errs[col.name] += len(o.failed)
			if col.name == unix {
				continue
			}
			failed := o.failed
			if u := row[unix]; u != nil && o.tests < u.tests*9/10 && len(failed) == 0 {
				failed = []string{skips}
			}
			for _, test := range failed {
				if u := row[unix]; u != nil && slices.Contains(u.failed, test) {
					continue
				}
				why := e.why(col.name, file, test)
				if why == "" {
					bad++
					why = "NO REASON"
				}
				reasons[col.name+" "+why]++
				notes = append(notes, fmt.Sprintf("    %-6s %-40s %s", col.name, test, why))
			}
			if strings.Contains(strings.Join(notes, "\n"), "NO REASON") && o.detail != "" {
				notes = append(notes, "      "+strings.ReplaceAll(firstLines(o.detail, 12), "\n", "\n      "))
			}
		}
		if len(notes) > 0 {
			fmt.Fprintf(w, "%s\n%s\n", t.line(file), strings.Join(notes, "\n"))
		}
	}
	fmt.Fprintf(w, "\n%-10s %10s %10s\n", "column", "tests", "errors")
	for _, col := range t.columns {
		fmt.Fprintf(w, "%-10s %10d %10d\n", col.name, tests[col.name], errs[col.name])
	}
	fmt.Fprintf(w, "%d files and programs\n\n", len(t.rows))
	for _, r := range slices.Sorted(maps.Keys(reasons)) {
		fmt.Fprintf(w, "%6d  %s\n", reasons[r], r)
	}
	for _, d := range e.lines {
		ran := slices.ContainsFunc(t.columns, func(c column) bool { return c.name == d.column })
		if !d.used && ran && t.rows[d.file] != nil {
			fmt.Fprintf(w, "no longer seen: %s %s %s\n", d.column, d.file, d.test)
		}
	}
	return bad
}

// line is the row of a file: tests and errors of each column.
func (t *table) line(file string) string {
	var b strings.Builder
	fmt.Fprintf(&b, "%-28s", file)
	for _, col := range t.columns {
		if o := t.rows[file][col.name]; o != nil {
			fmt.Fprintf(&b, "  %s %d/%d", col.name, len(o.failed), o.tests)
		}
	}
	return b.String()
}

func firstLines(s string, n int) string {
	lines := strings.Split(s, "\n")
	return strings.Join(lines[:min(n, len(lines))], "\n")
}
