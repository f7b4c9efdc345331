package torture

import (
	"math/rand/v2"
	"time"

	"hydrant/internal/s3test"
)

// sourceFault has some of the requests fail.
func sourceFault(s *s3test.Server, r *rand.Rand) {
	m := s3test.Match{Probability: 0.1 + 0.9*r.Float64()}
	switch r.IntN(8) {
	case 0, 1:
		s.Inject(m, s3test.SlowDown())
	case 2:
		s.Inject(m, s3test.Stall())
	case 3:
		s.Inject(m, s3test.Reset())
	case 4:
		s.Inject(m, s3test.ResetAfter(int64(r.IntN(100_000))))
	case 5:
		s.Inject(m, s3test.TruncateAfter(int64(r.IntN(100_000))))
	case 6:
		s.Inject(m, s3test.StallAfter(int64(r.IntN(100_000))))
	case 7:
		s.Inject(m, s3test.Status(403, "AccessDenied"))
	}
}

// network is how far away the source is.
func network(r *rand.Rand) s3test.Network {
	var n s3test.Network
	switch r.IntN(4) {
	case 0:
		n.Latency = s3test.Fixed(time.Duration(r.IntN(5)) * time.Millisecond)
	case 1:
		n.Latency = s3test.LogNormal(8*time.Millisecond, 0.5)
	case 2:
		n.Latency = s3test.Pareto(2*time.Millisecond, 1.3, 300*time.Millisecond)
	}
	n.Bandwidth = pick(r, int64(0), 0, 500_000, 5_000_000)
	n.TotalBandwidth = pick(r, int64(0), 0, 1_000_000, 10_000_000)
	return n
}
