package clone

import (
	"testing"
	"time"
)

// What comes under a cap takes longer than the line would need, and a reader that believed the line
// would wait for it.
func TestEstimateKnowsTheCap(t *testing.T) {
	p := newPace()
	for _, c := range []struct {
		name      string
		got, most float64
		least     time.Duration
	}{
		{"measured, uncapped", 1 << 20, 0, 90 * time.Millisecond},
		{"measured, capped", 1 << 20, 100 << 10, 9 * time.Second},
		{"unmeasured, capped", 0, 100 << 10, 9 * time.Second},
	} {
		got := p.estimate(1<<20, int64(c.got), time.Second, 100*time.Millisecond, c.most)
		if got < c.least || got > 2*c.least+time.Second {
			t.Errorf("%s: a megabyte in %v, want about %v", c.name, got, c.least)
		}
	}
}
