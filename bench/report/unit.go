package report

import (
	"fmt"
	"math"
	"strings"
)

// Unit is what a value counts.
type Unit string

// The units.
const (
	Seconds Unit = "s"
	Bytes   Unit = "B"
	Rate    Unit = "B/s"
	PerSec  Unit = "1/s"
	Count   Unit = ""
	Times   Unit = "x" // a ratio
)

// UnitOf is the unit of a figure, by the end of its name; seconds are the rule.
func UnitOf(figure string) Unit {
	last := figure[strings.LastIndexByte(figure, '.')+1:]
	switch last {
	case "requests", "n", "entries", "trips", "cold":
		return Count
	case "bytes", "rss", "state", "duplicate", "needed", "clone":
		return Bytes
	case "rate":
		return Rate
	case "ratio":
		return Times
	}
	return Seconds
}

// Format writes v for people, with three digits that count.
func (u Unit) Format(v float64) string {
	switch u {
	case Seconds:
		return formatSeconds(v)
	case Bytes:
		return scaled(v, 1024, "B", "KiB", "MiB", "GiB")
	case Rate:
		return scaled(v, 1000, "B/s", "KB/s", "MB/s", "GB/s")
	case PerSec:
		return grouped(v) + "/s"
	case Times:
		return Ratio(v)
	}
	return grouped(v)
}

func formatSeconds(v float64) string {
	switch a := math.Abs(v); {
	case a == 0:
		return "0"
	case a < 1e-3:
		return digits(v*1e6) + " µs"
	case a < 1:
		return digits(v*1e3) + " ms"
	}
	return digits(v) + " s"
}

func scaled(v, base float64, units ...string) string {
	i := 0
	for i < len(units)-1 && math.Abs(v) >= base {
		v /= base
		i++
	}
	if i == 0 {
		return fmt.Sprintf("%.0f %s", v, units[i])
	}
	return digits(v) + " " + units[i]
}

// digits keeps three digits that count, and all before the point.
func digits(v float64) string {
	switch a := math.Abs(v); {
	case a >= 99.95:
		return fmt.Sprintf("%.0f", v)
	case a >= 9.995:
		return fmt.Sprintf("%.1f", v)
	}
	return fmt.Sprintf("%.2f", v)
}

// grouped writes a count: 124,773.
func grouped(v float64) string {
	if v != math.Trunc(v) && math.Abs(v) < 100 {
		return digits(v)
	}
	s := fmt.Sprintf("%.0f", math.Abs(v))
	for i := len(s) - 3; i > 0; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	if v < 0 {
		return "-" + s
	}
	return s
}

// Ratio writes a ratio, fine near 1 and coarse far from it.
func Ratio(v float64) string {
	switch a := math.Abs(v); {
	case a >= 99.5:
		return grouped(math.Round(v)) + "×"
	case a >= 9.95:
		return fmt.Sprintf("%.0f×", v)
	case a >= 1.95:
		return fmt.Sprintf("%.1f×", v)
	}
	return fmt.Sprintf("%.2f×", v)
}
