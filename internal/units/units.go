// Package units reads the quantities that people write: in a URI, in an environment variable, on
// a command line. One parser for all of them, so that a value that works in one place works in
// the others.
package units

import (
	"fmt"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/dustin/go-humanize"
)

// ParseSize reads a number of bytes: "4096", "64KiB", "8 MiB", "1.5GB". MB is a million bytes,
// MiB is 1<<20; a letter alone, as in "8M", is decimal. The result is 0 to 1<<62.
func ParseSize(s string) (int64, error) {
	n, err := humanize.ParseBytes(strings.TrimSpace(s))
	// A comma is a decimal point to some and groups digits to others.
	if err != nil || n > 1<<62 || strings.Contains(s, ",") {
		return 0, fmt.Errorf("size %q: want a number with a unit, like 64MB or 8MiB", s)
	}
	return int64(n), nil
}

// ParseRate reads bytes per second: a size, with or without "/s" behind it. "off", "none" and 0
// are 0, which means no cap.
func ParseRate(s string) (int64, error) {
	switch strings.ToLower(strings.TrimSpace(s)) {
	case "off", "none":
		return 0, nil
	}
	n, err := ParseSize(strings.TrimSuffix(strings.TrimSpace(s), "/s"))
	if err != nil {
		return 0, fmt.Errorf("rate %q: want bytes per second, like 20MB or 20MB/s, or off", s)
	}
	return n, nil
}

// ParseDuration reads a time: "30s", "1m30s", "500ms"; a number alone is seconds. The result is
// not negative.
func ParseDuration(s string) (time.Duration, error) {
	t := strings.TrimSpace(s)
	if f, err := strconv.ParseFloat(t, 64); err == nil {
		// Written so that NaN fails too.
		if f >= 0 && f*float64(time.Second) < math.MaxInt64 {
			return time.Duration(f * float64(time.Second)), nil
		}
	} else if d, err := time.ParseDuration(t); err == nil && d >= 0 {
		return d, nil
	}
	return 0, fmt.Errorf("time %q: want a number of seconds, or one with a unit, like 30s or 500ms", s)
}

// ParseSwitch reads on or off, and what else people write for them.
func ParseSwitch(s string) (bool, error) {
	switch strings.ToLower(strings.TrimSpace(s)) {
	case "on", "true", "yes", "1":
		return true, nil
	case "off", "false", "no", "0":
		return false, nil
	}
	return false, fmt.Errorf("%q: want on or off", s)
}

// FormatSize writes a number of bytes in binary units: "1.5 MiB". ParseSize reads it, rounded.
func FormatSize(n int64) string {
	if n < 0 {
		return "-" + humanize.IBytes(uint64(-n))
	}
	return humanize.IBytes(uint64(n))
}
