package report

import (
	"fmt"
	"io"
	"strings"
	"unicode/utf8"
)

// WriteTable prints the report for a terminal: what was measured, section by section, and in the
// end which targets were met.
func (r *Report) WriteTable(w io.Writer) error {
	var b strings.Builder
	fmt.Fprintf(&b, "%s\n", r.Headline())
	for _, n := range r.Notes {
		fmt.Fprintf(&b, "  %s\n", n)
	}
	for _, section := range r.Sections() {
		cells := [][]string{{section, "", "value", boundHead(section), "", "ratio", "target", ""}}
		for _, row := range r.In(section) {
			cells = append(cells, row.cells())
		}
		b.WriteString("\n")
		writeColumns(&b, cells, "llrrlrll")
	}
	met, all := r.Met()
	fmt.Fprintf(&b, "\n%d of %d targets met\n", met, all)
	_, err := io.WriteString(w, b.String())
	return err
}

// Headline says in a line under what conditions it was measured.
func (r *Report) Headline() string {
	return fmt.Sprintf("%s, %s to the first byte, %s per connection, %d CPUs, medians of %s",
		sizeName(r.Size), Seconds.Format(r.RTT), Rate.Format(float64(r.Bandwidth)), r.Machine.CPUs, plural(r.Runs, "run"))
}

func sizeName(n int64) string {
	if n%(1<<30) == 0 {
		return fmt.Sprintf("%d GiB", n>>30)
	}
	return digits(float64(n)/1e6) + " MB"
}

func plural(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

// Sections are the names of the sections, in order.
func (r *Report) Sections() (names []string) {
	seen := map[string]bool{}
	for _, row := range r.Rows {
		if !seen[row.Section] {
			seen[row.Section] = true
			names = append(names, row.Section)
		}
	}
	return names
}

// In returns the rows of a section.
func (r *Report) In(section string) (rows []Row) {
	for _, row := range r.Rows {
		if row.Section == section {
			rows = append(rows, row)
		}
	}
	return rows
}

// Met counts the targets that were met, and all.
func (r *Report) Met() (met, all int) {
	for _, row := range r.Rows {
		if row.Target != "" {
			all++
		}
		if row.Verdict() == "met" {
			met++
		}
	}
	return met, all
}

// boundHead is the head of the column of bounds. Where rivals are measured it is not a bound.
func boundHead(section string) string {
	if strings.HasPrefix(section, "Against ") {
		return "against"
	}
	return "lower bound"
}

func (r Row) cells() []string {
	return []string{"  " + r.What, r.Strategy, r.Unit.Format(r.Value), r.BoundText(), r.BoundIs, r.RatioText(), r.Target, r.Verdict()}
}

// BoundText is the bound for people, nothing where there is none.
func (r Row) BoundText() string {
	if r.Bound == 0 {
		return ""
	}
	return r.Unit.Format(r.Bound)
}

// RatioText is the ratio for people, nothing where there is none.
func (r Row) RatioText() string {
	if r.Ratio == 0 {
		return ""
	}
	return Ratio(r.Ratio)
}

// writeColumns aligns cells: l to the left, r to the right.
func writeColumns(b *strings.Builder, cells [][]string, align string) {
	width := make([]int, len(align))
	for _, line := range cells {
		for i, c := range line {
			width[i] = max(width[i], utf8.RuneCountInString(c))
		}
	}
	for _, line := range cells {
		var out strings.Builder
		for i, c := range line {
			pad := strings.Repeat(" ", width[i]-utf8.RuneCountInString(c))
			if align[i] == 'r' {
				out.WriteString(pad + c)
			} else {
				out.WriteString(c + pad)
			}
			out.WriteString("  ")
		}
		b.WriteString(strings.TrimRight(out.String(), " ") + "\n")
	}
}
