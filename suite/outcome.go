package main

import (
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// outcome is what one file said in one column.
type outcome struct {
	file   string
	column string
	tests  int
	failed []string // names of tests; in parentheses, what is not one
	detail string   // what was printed of the failed ones
}

var (
	summary  = regexp.MustCompile(`(?m)^(?:SQLite .*\n)?(\d+) errors out of (\d+) tests`)
	failures = regexp.MustCompile(`(?m)^!Failures on these tests:(.*)$`)
	leftOpen = regexp.MustCompile(`(?m)^\d+ files were left open`)
	unfreed  = regexp.MustCompile(`(?m)^Unfreed memory: `)
	expected = regexp.MustCompile(`(?m)^! \S.*$`)
)

// readOutcome reads what testfixture printed; why is how it ended, "" for well.
func readOutcome(file, column, out, why string) *outcome {
	o := &outcome{file: file, column: column}
	if m := summary.FindStringSubmatch(out); m != nil {
		o.tests, _ = strconv.Atoi(m[2])
		if o.tests > 0 && m[1] == "0" {
			why = ""
		}
	}
	if o.tests == 0 && why == "" {
		why = "says nothing"
	}
	if m := failures.FindStringSubmatch(out); m != nil {
		o.failed = strings.Fields(m[1])
		why = ""
	}
	if leftOpen.MatchString(out) {
		o.failed = append(o.failed, "(files left open)")
	}
	if unfreed.MatchString(out) {
		o.failed = append(o.failed, "(memory not freed)")
	}
	if why != "" {
		o.failed = append(o.failed, "("+why+")")
		o.detail = string(tail([]byte(out), 1500))
	}
	o.detail += strings.Join(expected.FindAllString(out, -1), "\n")
	slices.Sort(o.failed)
	o.failed = slices.Compact(o.failed)
	return o
}
