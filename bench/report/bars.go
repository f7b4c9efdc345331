package report

// Panel is a figure of which the page shows each strategy's median as a bar.
type Panel struct {
	Title  string `json:"title"`
	Short  string `json:"short"` // for the head of a column
	Figure string `json:"figure"`
}

// panel is one as the page shows it.
type panel struct {
	Title string
	Bars  []bar
}

type bar struct {
	Name, About, Class, Text string
	Width                    float64 // percent of the longest
}

// panels leaves out what nobody measured.
func (r *Report) panels() (out []panel) {
	for _, want := range r.Panels {
		p := panel{Title: want.Title}
		most := 0.0
		var values []float64
		for _, s := range r.Strategy {
			v, ok := r.Samples.Median(s.Name, want.Figure)
			if !ok {
				continue
			}
			class := "own"
			switch {
			case s.Rival:
				class = "rival"
			case s.Plain:
				class = "plain"
			}
			p.Bars = append(p.Bars, bar{Name: s.Title, About: s.About, Class: class, Text: UnitOf(want.Figure).Format(v)})
			values = append(values, v)
			most = max(most, v)
		}
		for i, v := range values {
			if most > 0 {
				p.Bars[i].Width = v / most * 100
			}
		}
		if len(p.Bars) > 1 {
			out = append(out, p)
		}
	}
	return out
}
