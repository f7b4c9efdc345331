package main

import (
	"fmt"
	"os"
	"path"
	"slices"
	"strings"
)

// difference is a line of expected.txt: tests that may fail in a column, and why.
type difference struct {
	column string // or * for plain and clone
	file   string // each may be a pattern
	test   string
	reason string
	used   bool
}

// explained are the reasons, and what they are for.
type explained struct {
	reasons map[string]string
	lines   []*difference
}

// readExpected reads expected.txt. It has lines of three kinds:
//
//	# a comment
//	reason NAME: text          (goes on in lines that begin with blanks)
//	COLUMN FILE TEST NAME
func readExpected(name string) (*explained, error) {
	b, err := os.ReadFile(name)
	if err != nil {
		return nil, err
	}
	e := &explained{reasons: map[string]string{}}
	last := ""
	for i, line := range strings.Split(string(b), "\n") {
		words := strings.Fields(line)
		rest, isReason := strings.CutPrefix(line, "reason ")
		switch {
		case len(words) == 0 || strings.HasPrefix(line, "#"):
		case isReason:
			key, text, _ := strings.Cut(rest, ":")
			last = key
			e.reasons[key] = strings.TrimSpace(text)
		case line[0] == ' ' && last != "":
			e.reasons[last] += " " + strings.TrimSpace(line)
		case len(words) < 4 || e.reasons[words[len(words)-1]] == "":
			return nil, fmt.Errorf("%s:%d: want COLUMN FILE TEST REASON, with a reason from above", name, i+1)
		default:
			n := len(words)
			e.lines = append(e.lines, &difference{words[0], words[1], strings.Join(words[2:n-1], " "), words[n-1], false})
		}
	}
	return e, nil
}

// why returns the name of the reason for a test to fail, "" for none.
func (e *explained) why(column, file, test string) string {
	i := slices.IndexFunc(e.lines, func(d *difference) bool {
		return (d.column == column || d.column == "*") && match(d.file, file) && match(d.test, test)
	})
	if i < 0 {
		return ""
	}
	e.lines[i].used = true
	return e.lines[i].reason
}

// match is path.Match for names that may have slashes and brackets in them.
func match(pattern, name string) bool {
	if pattern == name {
		return true
	}
	ok, err := path.Match(pattern, strings.ReplaceAll(name, "/", "_"))
	return ok && err == nil
}
