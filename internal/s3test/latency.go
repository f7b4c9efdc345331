package s3test

import (
	"math"
	"math/rand/v2"
	"time"
)

// Latency draws one delay; negative ones count as none. nil means no delay. It must not block and must use only the
// generator it is given, which makes it repeatable.
type Latency func(*rand.Rand) time.Duration

// Fixed is always d.
func Fixed(d time.Duration) Latency {
	return func(*rand.Rand) time.Duration { return d }
}

// Uniform is anything in [lo, hi).
func Uniform(lo, hi time.Duration) Latency {
	return func(r *rand.Rand) time.Duration { return lo + time.Duration(r.Float64()*float64(hi-lo)) }
}

// LogNormal has the given median and the standard deviation sigma of its logarithm; 0.3–0.5 resembles an object
// store seen from its own region. p95 = median·exp(1.645·sigma).
func LogNormal(median time.Duration, sigma float64) Latency {
	return func(r *rand.Rand) time.Duration {
		return time.Duration(float64(median) * math.Exp(sigma*r.NormFloat64()))
	}
}

// Pareto is at least lo, with P(X > x) = (lo/x)^alpha, cut at hi: a tail that no amount of waiting averages out.
// alpha of 1.1–2 is heavy.
func Pareto(lo time.Duration, alpha float64, hi time.Duration) Latency {
	return func(r *rand.Rand) time.Duration {
		return min(hi, time.Duration(float64(lo)*math.Pow(1-r.Float64(), -1/alpha)))
	}
}

// Mixed is tail with probability p, else body.
func Mixed(body, tail Latency, p float64) Latency {
	return func(r *rand.Rand) time.Duration {
		if r.Float64() < p {
			return tail(r)
		}
		return body(r)
	}
}
