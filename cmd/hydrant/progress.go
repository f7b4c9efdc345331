package main

import (
	"fmt"
	"io"
	"time"

	"github.com/schollz/progressbar/v3"

	"hydrant/internal/units"
)

// progress shows how something fills up: a bar where there is a screen, lines elsewhere.
type progress interface {
	// show is called as often as one likes.
	show(p moment)
	// clear takes away what would be in the way of other output. A later show brings it back.
	clear()
}

// moment is how far something is.
type moment struct {
	percent     float64 // 100 only when it is done
	done, total int64   // bytes
	rate        float64 // bytes per second, 0 when not known
	eta         float64 // seconds, negative when not known
	note        string  // why it does not go on; "" mostly
}

func newProgress(w io.Writer, name string) progress {
	if isTerminal(w) {
		return &bar{w: w}
	}
	return &lines{w: w, name: name, now: time.Now}
}

// bar draws one line of a screen again and again. It is shown nothing of the library's own
// reckoning: rate and time left come from the clone, which knows them across processes.
type bar struct {
	w       io.Writer
	b       *progressbar.ProgressBar
	columns int // that b was made for
}

const (
	barSteps = 1000
	// barFrame is what stands around a bar and its fields, and room for the ^C that a terminal
	// echoes: without it that would begin a new line.
	barFrame = len(" 100% [] ") + 4
)

func (b *bar) show(m moment) {
	columns := width(b.w)
	fields := m.fields(columns)
	if b.b == nil || b.columns != columns {
		b.clear()
		b.columns = columns
		b.b = progressbar.NewOptions(barSteps,
			progressbar.OptionSetWriter(b.w),
			progressbar.OptionSetWidth(max(columns-barFrame-len(fields), 1)),
			progressbar.OptionShowDescriptionAtLineEnd(),
			progressbar.OptionSetPredictTime(false),
			progressbar.OptionUseANSICodes(true),
			progressbar.OptionSetTheme(progressbar.Theme{Saucer: "=", SaucerHead: ">", SaucerPadding: " ", BarStart: "[", BarEnd: "]"}),
		)
	}
	// A bar that is full is finished for the library, and never drawn again.
	_ = b.b.Set(min(int(m.percent*barSteps/100), barSteps-1))
	b.b.Describe(fields)
}

func (b *bar) clear() {
	if b.b != nil {
		_ = b.b.Clear()
		b.b = nil
	}
}

// fields is what stands behind the bar, as much as columns allow. Its length does not change from
// one moment to the next, so that the bar does not jump.
func (m moment) fields(columns int) string {
	if m.note != "" {
		return m.note[:min(len(m.note), max(columns-barFrame-10, 0))]
	}
	s := fmt.Sprintf("%16s", units.FormatSize(m.done)+"/"+units.FormatSize(m.total))
	if columns >= 60 {
		s += fmt.Sprintf(" %9s/s", units.FormatSize(int64(m.rate)))
	}
	if columns >= 72 {
		s += fmt.Sprintf(" %9s", formatETA(m.eta))
	}
	return s
}

// lines writes a line for each 10 % and for each new note, at most one a second.
type lines struct {
	w    io.Writer
	name string
	now  func() time.Time

	last moment
	at   time.Time
}

func (l *lines) show(m moment) {
	now := l.now()
	if l.at.IsZero() {
		l.last, l.at = m, now // where it began is no news
		return
	}
	news := int(m.percent/10) != int(l.last.percent/10) || m.note != l.last.note
	if !news || now.Sub(l.at) < time.Second {
		return
	}
	l.last, l.at = m, now
	if m.note != "" {
		_, _ = fmt.Fprintf(l.w, "%s: %.0f %%, %s\n", l.name, floor(m.percent), m.note)
		return
	}
	_, _ = fmt.Fprintf(l.w, "%s: %.0f %% of %s, %s/s, %s\n", l.name, floor(m.percent),
		units.FormatSize(m.total), units.FormatSize(int64(m.rate)), formatETA(m.eta))
}

func (l *lines) clear() {}

// floor keeps a percentage that is printed without decimals from becoming 100 too early.
func floor(percent float64) float64 { return float64(int(percent)) }

// formatETA writes a time left, "" when it is not known.
func formatETA(seconds float64) string {
	if seconds < 0 {
		return "? left"
	}
	d := time.Duration(seconds * float64(time.Second))
	switch {
	case d >= 100*time.Hour:
		return fmt.Sprintf("%dd left", int(d.Hours()/24))
	case d >= time.Hour:
		return fmt.Sprintf("%dh%02dm left", int(d.Hours()), int(d.Minutes())%60)
	case d >= time.Minute:
		return fmt.Sprintf("%dm%02ds left", int(d.Minutes()), int(d.Seconds())%60)
	}
	return fmt.Sprintf("%.0fs left", d.Seconds())
}

// formatElapsed writes a time that passed, with as much precision as anyone wants to read.
func formatElapsed(d time.Duration) string {
	switch {
	case d < 10*time.Millisecond:
		return fmt.Sprintf("%.1f ms", float64(d.Microseconds())/1000)
	case d < time.Second:
		return fmt.Sprintf("%d ms", d.Milliseconds())
	case d < 100*time.Second:
		return fmt.Sprintf("%.1f s", d.Seconds())
	}
	return d.Round(time.Second).String()
}
