package report

import (
	"bytes"
	"encoding/xml"
	"io"
	"regexp"
	"strings"
	"testing"
	"time"
)

func TestMedian(t *testing.T) {
	for _, c := range []struct {
		v    []float64
		want float64
	}{{nil, 0}, {[]float64{3}, 3}, {[]float64{9, 1, 5}, 5}, {[]float64{4, 1, 2, 3}, 2.5}} {
		if got := Median(c.v); got != c.want {
			t.Errorf("%v: %v, want %v", c.v, got, c.want)
		}
	}
	v := []float64{2, 1}
	Median(v)
	if v[0] != 2 {
		t.Error("it sorts what belongs to the caller")
	}
}

func TestPercentile(t *testing.T) {
	var hundred []float64
	for i := 100; i >= 1; i-- {
		hundred = append(hundred, float64(i))
	}
	for p, want := range map[float64]float64{0: 1, 1: 1, 50: 50, 99: 99, 99.5: 100, 100: 100} {
		if got := Percentile(hundred, p); got != want {
			t.Errorf("p%v of 1 to 100: %v, want %v", p, got, want)
		}
	}
	if got := Percentile([]float64{7}, 99); got != 7 {
		t.Errorf("p99 of one value: %v", got)
	}
	if got := Percentile(nil, 99); got != 0 {
		t.Errorf("p99 of none: %v", got)
	}
}

func TestFormat(t *testing.T) {
	for _, c := range []struct {
		u    Unit
		v    float64
		want string
	}{
		{Seconds, 0, "0"}, {Seconds, 10.4e-6, "10.4 µs"}, {Seconds, 0.107, "107 ms"}, {Seconds, 1.676, "1.68 s"}, {Seconds, 0.09996, "100 ms"},
		{Bytes, 512, "512 B"}, {Bytes, 65536, "64.0 KiB"}, {Bytes, 64 << 20, "64.0 MiB"},
		{Rate, 881e6, "881 MB/s"}, {PerSec, 18244, "18,244/s"},
		{Count, 124773, "124,773"}, {Count, 3.6, "3.60"}, {Count, 8, "8"}, {Count, -1234, "-1,234"},
		{Times, 1.016, "1.02×"}, {Times, 23.4, "23×"}, {Times, 1615, "1,615×"}, {Times, 1.949, "1.95×"}, {Times, 3.25, "3.2×"},
	} {
		if got := c.u.Format(c.v); got != c.want {
			t.Errorf("%v in %q: %q, want %q", c.v, c.u, got, c.want)
		}
	}
}

func TestUnitOf(t *testing.T) {
	for figure, want := range map[string]Unit{
		"first.row": Seconds, "first.row.at": Seconds, "first.row.requests": Count, "first.row.bytes": Bytes,
		"hydrate.rate": Rate, "rss": Bytes, "native.point.ratio": Times, "tenants.trips": Count,
	} {
		if got := UnitOf(figure); got != want {
			t.Errorf("%s: %q, want %q", figure, got, want)
		}
	}
}

// example is a report with something of everything.
func example() *Report {
	r := &Report{
		Made: time.Unix(0, 0), Machine: Machine{OS: "linux", Arch: "amd64", CPUs: 2, Go: "go1.26"},
		Source: "s3://b/<k>", Size: 500e6, RTT: 0.03, Bandwidth: 80e6, Runs: 3, Notes: []string{"a note with <angles>"},
		Strategy: []Strategy{
			{Name: "download", Title: "download, then open", About: "as people do", Plain: true},
			{Name: "cold", Title: "hydrant, cold", About: "nothing here"},
			{Name: "other", Title: "another", About: "somebody's", Rival: true},
		},
		Samples: Samples{},
		Panels:  []Panel{{"First row", "row", "row"}, {"Nobody measured", "none", "nothing"}},
		Rows: []Row{
			{Section: "First", What: "first row", Strategy: "hydrant, cold", Value: 0.1, Unit: Seconds, Bound: 0.09, BoundIs: "3 RTT", Ratio: 1.11, Target: "≤ 1.25×", Met: true},
			{Section: "First", What: "first row", Strategy: "download, then open", Value: 0.7, Unit: Seconds},
			{Section: "Later", What: "requests", Strategy: "hydrant, cold", Value: 90, Unit: Count, Target: "≤ 80"},
		},
		Timelines: []Timeline{{Strategy: "cold", Size: 500e6,
			Requests: []Request{{0, 0.03, 0, 65536}, {0.04, 0.2, 8 << 20, 8 << 20}}, Local: []Local{{0.03, 0}, {0.2, 1}}}},
		Latencies: []Latency{{Strategy: "cold", Queries: []Query{{0.01, 0.035, true}, {0.05, 12e-6, false}, {0.06, 13e-6, false}}}},
	}
	for _, v := range []float64{0.7, 0.6, 0.8} {
		r.Samples.Add("download", map[string]float64{"row": v})
		r.Samples.Add("cold", map[string]float64{"row": v / 7, "requests": 3})
		r.Samples.Add("other", map[string]float64{"row": v * 2})
	}
	return r
}

func TestTable(t *testing.T) {
	var b strings.Builder
	if err := example().WriteTable(&b); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		`(?m)^500 MB, 30.0 ms to the first byte, 80.0 MB/s per connection, 2 CPUs, medians of 3 runs$`,
		`(?m)^First +value +lower bound +ratio +target$`,
		`(?m)^  first row +hydrant, cold +100 ms +90.0 ms +3 RTT +1.11× +≤ 1.25× +met$`,
		`(?m)^  first row +download, then open +700 ms$`,
		`(?m)^  requests +hydrant, cold +90 +≤ 80 +missed$`,
		`(?m)^1 of 2 targets met$`,
	} {
		if !regexp.MustCompile(want).MatchString(b.String()) {
			t.Errorf("nothing matches %s in\n%s", want, b.String())
		}
	}
}

func TestBenchstat(t *testing.T) {
	var b strings.Builder
	if err := example().WriteBenchstat(&b); err != nil {
		t.Fatal(err)
	}
	line := regexp.MustCompile(`^(Benchmark[A-Z]\S+-\d+ 1 \S+ \S+|[a-z]+: \S.*)$`)
	rows := 0
	for l := range strings.Lines(b.String()) {
		if l = strings.TrimSuffix(l, "\n"); !line.MatchString(l) {
			t.Errorf("not in the format: %q", l)
		}
		if strings.HasPrefix(l, "BenchmarkDownload/Row-2 1 ") {
			rows++
		}
	}
	if rows != 3 {
		t.Errorf("%d lines for three rounds:\n%s", rows, b.String())
	}
	if !strings.Contains(b.String(), "BenchmarkDownload/Row-2 1 7e+08 ns/op") {
		t.Errorf("no 700 ms in\n%s", b.String())
	}
}

func TestMarkdown(t *testing.T) {
	var b strings.Builder
	if err := example().WriteMarkdown(&b); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"| | row | none |\n|---|--:|--:|\n| download, then open | 700 ms |  |\n| hydrant, cold | 100 ms |  |\n| another | 1.40 s |  |\n",
		"| first row | hydrant, cold | 100 ms | 90.0 ms | 3 RTT | 1.11× | ≤ 1.25× | met |\n",
		"| requests | hydrant, cold | 90 |  |  |  | ≤ 80 | missed |\n",
	} {
		if !strings.Contains(b.String(), want) {
			t.Errorf("there is no\n%s\nin\n%s", want, b.String())
		}
	}
	if n := strings.Count(b.String(), "| first row |"); n != 1 {
		t.Errorf("%d rows of a target that one has:\n%s", n, b.String())
	}
}

// TestPageStandsAlone checks that the page asks for nothing, runs nothing, and says all there is.
func TestPageStandsAlone(t *testing.T) {
	var b bytes.Buffer
	if err := example().WriteHTML(&b); err != nil {
		t.Fatal(err)
	}
	s := b.String()
	for _, never := range []string{"<script", "http:", "https:", "//", "@import", "url(", "src=", "<link", "ZgotmplZ", "<angles>", "s3://b/<k>"} {
		if strings.Contains(strings.ReplaceAll(s, "s3://b", ""), never) {
			t.Errorf("the page has %q in it", never)
		}
	}
	for _, want := range []string{
		"prefers-color-scheme: dark", `name="viewport"`, "1 of 2 met", `<span class="met">met</span>`, `<span class="missed">missed</span>`,
		"download, then open", "a note with &lt;angles&gt;", `class="bar plain"`, `class="bar own"`, `class="bar rival"`, "3 queries, 1 of them cold",
		"2 requests",
	} {
		if !strings.Contains(s, want) {
			t.Errorf("the page lacks %q", want)
		}
	}
	if strings.Contains(s, "Nobody measured") {
		t.Error("a panel without a bar is shown")
	}
	plots := regexp.MustCompile(`(?s)<svg.*?</svg>`).FindAllString(s, -1)
	if len(plots) != 2 {
		t.Fatalf("%d plots, want 2", len(plots))
	}
	for i, want := range []map[string]int{{"line.request": 2, "polyline.local": 1}, {"circle.hit": 2, "circle.cold": 1, "line.trip": 1}} {
		got := shapes(t, plots[i])
		for shape, n := range want {
			if got[shape] != n {
				t.Errorf("plot %d: %d × %s, want %d", i, got[shape], shape, n)
			}
		}
	}
}

// shapes counts the elements of an SVG by name and class; it has to be well-formed.
func shapes(t *testing.T, svg string) map[string]int {
	t.Helper()
	n := map[string]int{}
	for d := xml.NewDecoder(strings.NewReader(svg)); ; {
		token, err := d.Token()
		if err == io.EOF {
			return n
		}
		if err != nil {
			t.Fatalf("%v in %s", err, svg)
		}
		if e, ok := token.(xml.StartElement); ok {
			class := ""
			for _, a := range e.Attr {
				if a.Name.Local == "class" {
					class = "." + a.Value
				}
				if strings.Contains(a.Value, "NaN") || strings.Contains(a.Value, "Inf") {
					t.Errorf("%s %s=%q", e.Name.Local, a.Name.Local, a.Value)
				}
			}
			n[e.Name.Local+class]++
		}
	}
}

// TestEmptyReport checks that nothing measured is nothing shown, and no failure.
func TestEmptyReport(t *testing.T) {
	r := &Report{Latencies: []Latency{{}}, Timelines: []Timeline{{}}}
	for name, write := range map[string]func(io.Writer) error{"table": r.WriteTable, "benchstat": r.WriteBenchstat, "page": r.WriteHTML, "markdown": r.WriteMarkdown} {
		var b strings.Builder
		if err := write(&b); err != nil || strings.Contains(b.String(), "NaN") {
			t.Errorf("%s: %v\n%s", name, err, b.String())
		}
	}
}
