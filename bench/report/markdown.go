package report

import (
	"fmt"
	"io"
	"strings"
)

// WriteMarkdown writes what fits into a README: the strategies side by side, and the targets.
func (r *Report) WriteMarkdown(w io.Writer) error {
	var b strings.Builder
	fmt.Fprintf(&b, "%s, %s\n\n", r.Headline(), r.Made.UTC().Format("2006-01-02"))
	for _, n := range r.Notes {
		fmt.Fprintf(&b, "%s\n\n", n)
	}
	r.matrix(&b)
	for _, section := range r.Sections() {
		rows := withTarget(r.In(section))
		if len(rows) == 0 {
			continue
		}
		fmt.Fprintf(&b, "\n| %s | | value | %s | | ratio | target | |\n|---|---|--:|--:|---|--:|---|---|\n", section, boundHead(section))
		for _, row := range rows {
			fmt.Fprintf(&b, "| %s |\n", strings.TrimSpace(strings.Join(row.cells(), " | ")))
		}
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// matrix is a line for each strategy and a column for each figure that the page shows as bars.
func (r *Report) matrix(b *strings.Builder) {
	var heads, rule []string
	for _, p := range r.Panels {
		heads, rule = append(heads, p.Short), append(rule, "--:")
	}
	fmt.Fprintf(b, "| | %s |\n|---|%s|\n", strings.Join(heads, " | "), strings.Join(rule, "|"))
	for _, s := range r.Strategy {
		cells, any := []string{s.Title}, false
		for _, p := range r.Panels {
			text := ""
			if v, ok := r.Samples.Median(s.Name, p.Figure); ok {
				text, any = UnitOf(p.Figure).Format(v), true
			}
			cells = append(cells, text)
		}
		if any {
			fmt.Fprintf(b, "| %s |\n", strings.Join(cells, " | "))
		}
	}
}
