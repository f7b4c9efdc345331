package report

import (
	"math"
	"slices"
)

// Samples are the figures of each strategy by name, a value for each round.
type Samples map[string]map[string][]float64

// Add adds the figures of a round.
func (s Samples) Add(strategy string, figures map[string]float64) {
	if s[strategy] == nil {
		s[strategy] = map[string][]float64{}
	}
	for name, v := range figures {
		s[strategy][name] = append(s[strategy][name], v)
	}
}

// Median is that of a figure over the rounds; false when nobody measured it.
func (s Samples) Median(strategy, figure string) (float64, bool) {
	v := s[strategy][figure]
	return Median(v), len(v) > 0
}

// Median is the middle value, the mean of the middle two of an even number, 0 of none.
func Median(v []float64) float64 {
	if len(v) == 0 {
		return 0
	}
	v = slices.Sorted(slices.Values(v))
	return (v[(len(v)-1)/2] + v[len(v)/2]) / 2
}

// Percentile is the least value that p percent of them do not exceed, 0 of none.
func Percentile(v []float64, p float64) float64 {
	if len(v) == 0 {
		return 0
	}
	v = slices.Sorted(slices.Values(v))
	rank := int(math.Ceil(p / 100 * float64(len(v))))
	return v[min(max(rank, 1), len(v))-1]
}
