package report

import (
	"fmt"
	"html/template"
)

func (t *Timeline) bytes() (n int64) {
	for _, r := range t.Requests {
		n += r.Len
	}
	return n
}

// svg draws every answer as a line from where and when it began to where and when it ended, and how
// the file filled up.
func (t *Timeline) svg() template.HTML {
	most := 0.0
	for _, r := range t.Requests {
		most = max(most, r.Done)
	}
	for _, l := range t.Local {
		most = max(most, l.At)
	}
	a := newAxes(most * 1.02)
	a.label(0, "0")
	a.label(0.5, "50 %")
	a.label(1, sizeName(t.Size))
	at := func(off int64) float64 { return a.y(float64(off) / float64(max(t.Size, 1))) }
	for _, r := range t.Requests {
		fmt.Fprintf(&a.b, `<line class="request" x1="%.1f" y1="%.1f" x2="%.1f" y2="%.1f"/>`, a.x(r.At), at(r.Off), a.x(r.Done), at(r.Off+r.Len))
	}
	if len(t.Local) > 1 {
		a.b.WriteString(`<polyline class="local" points="`)
		for _, l := range t.Local {
			fmt.Fprintf(&a.b, "%.1f,%.1f ", a.x(l.At), a.y(l.Fraction))
		}
		a.b.WriteString(`"/>`)
	}
	return a.svg()
}
