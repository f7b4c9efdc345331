package main

import (
	"errors"
	"fmt"
	"strings"

	"hydrant/clone"
	"hydrant/source"
)

// Exit codes. They are part of the public surface.
const (
	exitOK      = 0
	exitError   = 1 // verify: dest differs
	exitUsage   = 2
	exitTrouble = 3 // verify could not tell
	exitStalled = 4 // or the source has changed
)

// codeError gives an error its exit code.
type codeError struct {
	code int
	err  error
}

func (e *codeError) Error() string { return e.err.Error() }
func (e *codeError) Unwrap() error { return e.err }

func withCode(code int, err error) error { return &codeError{code, err} }

// usage is the error of a command line that makes no sense.
func usage(format string, args ...any) error {
	return withCode(exitUsage, fmt.Errorf(format, args...))
}

// exitCode is that of err, nil included.
func exitCode(err error) int {
	var coded *codeError
	switch {
	case err == nil:
		return exitOK
	case errors.As(err, &coded):
		return coded.code
	case errors.Is(err, clone.ErrUsage):
		return exitUsage
	case errors.Is(err, clone.ErrStalled), errors.Is(err, source.ErrChanged):
		return exitStalled
	}
	return exitError
}

// complaint is the line in which err is told.
func complaint(verb string, err error) string {
	prefix := "hydrant: "
	if verb != "hydrant" {
		prefix += verb + ": "
	}
	return prefix + oneLine(err.Error())
}

// oneLine makes line breaks, as servers and joined errors have them, semicolons.
func oneLine(s string) string {
	var lines []string
	for line := range strings.Lines(s) {
		if line = strings.TrimSpace(line); line != "" {
			lines = append(lines, line)
		}
	}
	return strings.Join(lines, "; ")
}
