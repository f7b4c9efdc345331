package report

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
)

// WriteBenchstat writes every sample in the format of Go's benchmarks, a line for each round, so
// that benchstat compares two runs (https://go.dev/design/14313-benchmark-format).
func (r *Report) WriteBenchstat(w io.Writer) error {
	var b strings.Builder
	fmt.Fprintf(&b, "goos: %s\ngoarch: %s\npkg: hydrant/bench\nsize: %d\nrtt: %s\nbandwidth: %d\n",
		r.Machine.OS, r.Machine.Arch, r.Size, strings.ReplaceAll(Seconds.Format(r.RTT), " ", ""), r.Bandwidth)
	for _, strategy := range slices.Sorted(maps.Keys(r.Samples)) {
		figures := r.Samples[strategy]
		for _, figure := range slices.Sorted(maps.Keys(figures)) {
			v, unit := 1.0, ""
			switch UnitOf(figure) {
			case Seconds:
				v, unit = 1e9, "ns/op"
			case Bytes:
				unit = "B"
			case Rate:
				unit = "B/s"
			case Times:
				unit = "ratio"
			default:
				unit = "count"
			}
			for _, sample := range figures[figure] {
				fmt.Fprintf(&b, "Benchmark%s/%s-%d 1 %.6g %s\n", benchName(strategy), benchName(figure), r.Machine.CPUs, sample*v, unit)
			}
		}
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// benchName makes a name without spaces that begins with a capital.
func benchName(s string) string {
	s = strings.NewReplacer(" ", "_", ",", "").Replace(s)
	return strings.ToUpper(s[:1]) + s[1:]
}
