package report

import (
	"fmt"
	"html/template"
	"math"
	"strings"
)

// The drawing area of a plot, in its own units.
const (
	plotWidth, plotHeight         = 1000, 260
	plotLeft, plotRight           = 64, 16
	plotTop, plotBottom   float64 = 8, 28
)

// axes are a plot that is being drawn: time to the right, from 0 to most.
type axes struct {
	b    strings.Builder
	most float64
}

func newAxes(most float64) *axes {
	a := &axes{most: max(most, 1e-6)}
	fmt.Fprintf(&a.b, `<svg viewBox="0 0 %d %d" role="img">`, plotWidth, plotHeight)
	step := niceStep(a.most)
	for t := 0.0; t <= a.most; t += step {
		x := a.x(t)
		fmt.Fprintf(&a.b, `<line class="grid" x1="%.1f" y1="%.1f" x2="%.1f" y2="%.1f"/>`, x, plotTop, x, plotHeight-plotBottom)
		fmt.Fprintf(&a.b, `<text x="%.1f" y="%.1f" text-anchor="middle">%s</text>`, x, plotHeight-plotBottom+17, template.HTMLEscapeString(axisTime(t)))
	}
	return a
}

// axisTime is short, as labels are.
func axisTime(t float64) string {
	if t == 0 {
		return "0"
	}
	if t < 1 {
		return fmt.Sprintf("%g ms", math.Round(t*1e6)/1e3)
	}
	return fmt.Sprintf("%g s", math.Round(t*1e3)/1e3)
}

func (a *axes) x(t float64) float64 {
	return plotLeft + min(max(t, 0), a.most)/a.most*(plotWidth-plotLeft-plotRight)
}

// y is the height of a fraction, 0 at the bottom and 1 at the top.
func (a *axes) y(fraction float64) float64 {
	return plotTop + (1-min(max(fraction, 0), 1))*(plotHeight-plotTop-plotBottom)
}

// label writes at the left, at a fraction of the height.
func (a *axes) label(fraction float64, text string) {
	y := a.y(fraction)
	fmt.Fprintf(&a.b, `<line class="grid" x1="%d" y1="%.1f" x2="%d" y2="%.1f"/>`, plotLeft, y, plotWidth-plotRight, y)
	fmt.Fprintf(&a.b, `<text x="%d" y="%.1f" text-anchor="end">%s</text>`, plotLeft-8, y+4, template.HTMLEscapeString(text))
}

func (a *axes) svg() template.HTML {
	a.b.WriteString("</svg>")
	return template.HTML(a.b.String())
}

// niceStep divides a span into about eight round steps.
func niceStep(span float64) float64 {
	step := math.Pow(10, math.Floor(math.Log10(span/8)))
	for _, f := range []float64{1, 2, 5, 10} {
		if span/(step*f) <= 9 {
			return step * f
		}
	}
	return step * 10
}
