package main

import (
	"fmt"
	"strconv"
	"strings"

	"hydrant/internal/units"
)

// sizeFlag is a number of bytes on the command line.
type sizeFlag struct {
	n   int64
	set bool
}

func (f *sizeFlag) Set(s string) (err error) {
	f.n, err = units.ParseSize(s)
	f.set = err == nil
	return err
}

func (f *sizeFlag) Type() string { return "SIZE" }

func (f *sizeFlag) String() string {
	if !f.set {
		return ""
	}
	return exactSize(f.n)
}

// rateFlag is bytes per second on the command line.
type rateFlag struct{ sizeFlag }

func (f *rateFlag) Set(s string) (err error) {
	f.n, err = units.ParseRate(s)
	f.set = err == nil
	return err
}

func (f *rateFlag) Type() string { return "RATE" }

// pointer is the value for a knob: nil when the flag was not given.
func (f *sizeFlag) pointer() *int64 {
	if !f.set {
		return nil
	}
	return &f.n
}

// connectionsFlag is a number of connections, or auto.
type connectionsFlag struct {
	n   int
	set bool
}

func (f *connectionsFlag) Set(s string) (err error) {
	f.n, err = parseConnections(s)
	f.set = err == nil
	return err
}

func (f *connectionsFlag) Type() string { return "N" }

func (f *connectionsFlag) String() string {
	if !f.set {
		return ""
	}
	return formatConnections(f.n)
}

func (f *connectionsFlag) pointer() *int {
	if !f.set {
		return nil
	}
	return &f.n
}

func parseConnections(s string) (int, error) {
	if strings.EqualFold(s, "auto") {
		return 0, nil
	}
	n, err := strconv.Atoi(s)
	if err != nil {
		return 0, fmt.Errorf("%q: want a number of connections, or auto", s)
	}
	return n, nil
}

func formatConnections(n int) string {
	if n == 0 {
		return "auto"
	}
	return strconv.Itoa(n)
}

// exactSize writes n so that a size flag reads it back unchanged: 8MiB, 20MB, 12345.
func exactSize(n int64) string {
	for _, u := range []struct {
		name string
		n    int64
	}{{"GiB", 1 << 30}, {"GB", 1e9}, {"MiB", 1 << 20}, {"MB", 1e6}, {"KiB", 1 << 10}, {"KB", 1e3}} {
		if n >= u.n && n%u.n == 0 {
			return strconv.FormatInt(n/u.n, 10) + u.name
		}
	}
	return strconv.FormatInt(n, 10)
}
