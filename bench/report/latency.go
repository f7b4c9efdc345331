package report

import (
	"fmt"
	"html/template"
	"math"
)

// plotted is about how many points a plot shows; of more, every second, third and so on of those
// that found their pages.
const plotted = 1500

func (l *Latency) note() string {
	colds := 0
	for _, q := range l.Queries {
		if q.Cold {
			colds++
		}
	}
	return fmt.Sprintf("%d queries, %d of them cold", len(l.Queries), colds)
}

// svg draws every query at when it began and how long it took, on a logarithmic scale.
func (l *Latency) svg(rtt float64) template.HTML {
	most, low, high := 0.0, rtt, rtt
	for _, q := range l.Queries {
		most = max(most, q.At)
		if q.Took > 0 {
			low, high = min(low, q.Took), max(high, q.Took)
		}
	}
	low, high = math.Floor(math.Log10(max(low, 1e-7))), math.Ceil(math.Log10(max(high, 1e-6)))
	a := newAxes(most * 1.02)
	at := func(took float64) float64 { return (math.Log10(max(took, 1e-7)) - low) / (high - low) }
	for e := low; e <= high; e++ {
		a.label((e-low)/(high-low), decade(e))
	}
	if rtt > 0 {
		fmt.Fprintf(&a.b, `<line class="trip" x1="%d" y1="%.1f" x2="%d" y2="%.1f"/>`, plotLeft, a.y(at(rtt)), plotWidth-plotRight, a.y(at(rtt)))
	}
	every := len(l.Queries)/plotted + 1
	for i, q := range l.Queries {
		class := "cold"
		if !q.Cold {
			if class = "hit"; i%every != 0 {
				continue
			}
		}
		fmt.Fprintf(&a.b, `<circle class="%s" cx="%.1f" cy="%.1f" r="2.6"/>`, class, a.x(q.At), a.y(at(q.Took)))
	}
	return a.svg()
}

// decade names a power of ten of a second.
func decade(e float64) string {
	return axisLabels[int(min(max(e, -7), 3))+7]
}

var axisLabels = []string{"0.1 µs", "1 µs", "10 µs", "100 µs", "1 ms", "10 ms", "100 ms", "1 s", "10 s", "100 s", "1000 s"}
