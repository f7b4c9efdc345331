package hedge

import (
	"slices"
	"sync"
	"time"
)

const (
	// window is of how many answers the percentile is, and fewest how many there have to be.
	window = 64
	fewest = 16
	// percentile is which of the latest answers an answer has to be later than.
	percentile = 95
	// leeway is by how much an answer has to be later than half as much again as the median, too:
	// where all take about the same time there is no tail to cut, and what is late by less may be this machine's doing.
	leeway = 5 * time.Millisecond
)

// recent is how long the latest answers took to begin. Of a range that was asked for twice it is the
// time until either did: no less than the percentile, and so in the same place among the others.
type recent struct {
	mu   sync.Mutex // guards the rest
	took [window]time.Duration
	n    int // answers so far
}

func (r *recent) add(d time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.took[r.n%window] = d
	r.n++
}

// late is after how long an answer is late. false: not enough is known.
func (r *recent) late() (time.Duration, bool) {
	r.mu.Lock()
	n, took := min(r.n, window), r.took
	r.mu.Unlock()
	if n < fewest {
		return 0, false
	}
	sorted := took[:n]
	slices.Sort(sorted)
	return max(sorted[(n*percentile-1)/100], sorted[n/2]*3/2+leeway), true
}
