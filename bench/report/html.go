package report

import (
	_ "embed"
	"fmt"
	"html/template"
	"io"
	"slices"
)

//go:embed page.html
var pageText string

//go:embed style.css
var styleText string

var pageTemplate = template.Must(template.New("page").Parse(pageText))

// WriteHTML writes a page that stands for itself: plots are inline SVG, there is no script, and it
// asks for nothing from anywhere. It follows the reader's light or dark.
func (r *Report) WriteHTML(w io.Writer) error {
	p := page{R: r, Style: template.CSS(styleText)}
	p.Met, p.All = r.Met()
	for _, s := range r.Strategy {
		p.Rivals = p.Rivals || s.Rival
	}
	for _, name := range r.Sections() {
		rows := r.In(name)
		p.Sections = append(p.Sections, section{name, boundHead(name), rows})
		if rows = withTarget(rows); len(rows) > 0 {
			p.Targets = append(p.Targets, section{name, boundHead(name), rows})
		}
	}
	p.Panels = r.panels()
	for _, t := range r.Timelines {
		note := fmt.Sprintf("%s, %s", plural(len(t.Requests), "request"), Bytes.Format(float64(t.bytes())))
		p.Timelines = append(p.Timelines, plot{r.title(t.Strategy), note, t.svg()})
	}
	for _, l := range r.Latencies {
		p.Latencies = append(p.Latencies, plot{r.title(l.Strategy), l.note(), l.svg(r.RTT)})
	}
	return pageTemplate.Execute(w, p)
}

// page is what the template shows.
type page struct {
	R         *Report
	Style     template.CSS
	Met, All  int
	Targets   []section
	Rivals    bool
	Sections  []section
	Panels    []panel
	Timelines []plot
	Latencies []plot
}

type section struct {
	Name, BoundHead string
	Rows            []Row
}

func withTarget(rows []Row) []Row {
	return slices.DeleteFunc(slices.Clone(rows), func(r Row) bool { return r.Target == "" })
}

// plot is a drawing with its caption.
type plot struct {
	Title, Note string
	SVG         template.HTML
}

func (r *Report) title(strategy string) string {
	if s := r.strategy(strategy); s != nil {
		return s.Title
	}
	return strategy
}

func (r *Report) strategy(name string) *Strategy {
	for i, s := range r.Strategy {
		if s.Name == name {
			return &r.Strategy[i]
		}
	}
	return nil
}
