package units

import (
	"strings"
	"testing"
	"time"
)

func TestParseSize(t *testing.T) {
	for s, want := range map[string]int64{
		"0": 0, "4096": 4096, "4096B": 4096, "64KiB": 64 << 10, "64kb": 64e3, "8 MiB": 8 << 20, "8MB": 8e6,
		" 1.5GB ": 15e8, "1.5GiB": 3 << 29, "2TiB": 2 << 40, "8M": 8e6,
	} {
		if got, err := ParseSize(s); err != nil || got != want {
			t.Errorf("%q: got %d, %v, want %d", s, got, err, want)
		}
	}
	for _, s := range []string{"", "MB", "-1", "8 apples", "1e400", "9000000TB", "NaN", "0x10", "8MB/s", "1,5MB"} {
		if got, err := ParseSize(s); err == nil || !strings.Contains(err.Error(), "like 64MB or 8MiB") {
			t.Errorf("%q: got %d, %v", s, got, err)
		}
	}
}

func TestParseRate(t *testing.T) {
	for s, want := range map[string]int64{"off": 0, "None": 0, "0": 0, "20MB": 20e6, "20MiB/s": 20 << 20, "1000": 1000} {
		if got, err := ParseRate(s); err != nil || got != want {
			t.Errorf("%q: got %d, %v, want %d", s, got, err, want)
		}
	}
	for _, s := range []string{"", "fast", "20Mbit", "/s", "-1"} {
		if got, err := ParseRate(s); err == nil {
			t.Errorf("%q: got %d", s, got)
		}
	}
}

func TestParseDuration(t *testing.T) {
	for s, want := range map[string]time.Duration{
		"30": 30 * time.Second, "0": 0, "1.5": 1500 * time.Millisecond, "500ms": 500 * time.Millisecond, "1m30s": 90 * time.Second,
	} {
		if got, err := ParseDuration(s); err != nil || got != want {
			t.Errorf("%q: got %v, %v, want %v", s, got, err, want)
		}
	}
	for _, s := range []string{"", "-1", "-1s", "soon", "1e300", "Inf", "NaN"} {
		if got, err := ParseDuration(s); err == nil {
			t.Errorf("%q: got %v", s, got)
		}
	}
}

func TestParseSwitch(t *testing.T) {
	for s, want := range map[string]bool{"on": true, "ON": true, "1": true, "yes": true, "off": false, "false": false, "0": false} {
		if got, err := ParseSwitch(s); err != nil || got != want {
			t.Errorf("%q: got %v, %v, want %v", s, got, err, want)
		}
	}
	if _, err := ParseSwitch("maybe"); err == nil {
		t.Error("maybe: no error")
	}
}

func TestFormatSize(t *testing.T) {
	for n, want := range map[int64]string{0: "0 B", 1023: "1023 B", 3 << 19: "1.5 MiB", -2048: "-2.0 KiB"} {
		if got := FormatSize(n); got != want {
			t.Errorf("%d: got %q, want %q", n, got, want)
		}
	}
}

func FuzzParse(f *testing.F) {
	for _, s := range []string{"", "8MiB", "8MB/s", "off", "30s", "1e9", "9223372036854775807", "1,5"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if n, err := ParseSize(s); err == nil && (n < 0 || n > 1<<62) {
			t.Errorf("size %q: %d", s, n)
		}
		if n, err := ParseRate(s); err == nil && n < 0 {
			t.Errorf("rate %q: %d", s, n)
		}
		if d, err := ParseDuration(s); err == nil && d < 0 {
			t.Errorf("time %q: %d", s, d)
		}
	})
}

// FuzzFormat: what is written is read again, to within the rounding.
func FuzzFormat(f *testing.F) {
	for _, n := range []int64{0, 1, 1023, 1 << 20, 3 << 19, 1<<62 - 1} {
		f.Add(n)
	}
	f.Fuzz(func(t *testing.T, n int64) {
		if n < 0 || n > 1<<61 {
			return
		}
		s := FormatSize(n)
		got, err := ParseSize(s)
		if err != nil || float64(max(got-n, n-got)) > 0.06*float64(n) {
			t.Errorf("%d is written %q, which is %d, %v", n, s, got, err)
		}
	})
}
