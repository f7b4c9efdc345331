package answer

import (
	"strconv"
	"strings"
)

// maxQuoted bounds what a message repeats of a server's words, in bytes.
const maxQuoted = 200

// Quote quotes what a server said: bounded and on one line.
func Quote(s string) string { return strconv.Quote(cut(s)) }

// OneLine makes a server's own message fit into ours: bounded and on one line.
func OneLine(s string) string {
	return cut(strings.Join(strings.Fields(strings.ToValidUTF8(s, "?")), " "))
}

// short bounds the text of an error in which package net/http repeats what a server said, at any
// length. What the error is stays as it was.
func short(err error) error {
	if s := err.Error(); len(s) > 2*maxQuoted || strings.ContainsAny(s, "\r\n") {
		return &shortError{err}
	}
	return err
}

type shortError struct{ err error }

func (e *shortError) Error() string { return OneLine(e.err.Error()) }
func (e *shortError) Unwrap() error { return e.err }

func cut(s string) string {
	if len(s) > maxQuoted {
		return s[:maxQuoted] + "…"
	}
	return s
}
