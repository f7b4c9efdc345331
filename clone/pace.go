package clone

import (
	"math"
	"sync/atomic"
	"time"
)

// pace is what has been measured of the source. Each figure is a moving average, seeded with what
// an object store in the same region is known to do.
type pace struct {
	first    atomic.Uint64 // float64 bits: seconds to the first byte, all requests
	demanded atomic.Uint64 // float64 bits: the same, of demand reads
	bytes    atomic.Uint64 // float64 bits: bytes per second of one connection
}

const (
	seedLatency = 0.030
	seedBytes   = 60e6
)

func newPace() *pace {
	p := &pace{}
	p.first.Store(math.Float64bits(seedLatency))
	p.demanded.Store(math.Float64bits(seedLatency))
	p.bytes.Store(math.Float64bits(seedBytes))
	return p
}

func average(a *atomic.Uint64, v float64) {
	for {
		old := a.Load()
		if a.CompareAndSwap(old, math.Float64bits(0.8*math.Float64frombits(old)+0.2*v)) {
			return
		}
	}
}

// answered notes the time to the first byte of a request.
func (p *pace) answered(demand bool, d time.Duration) {
	average(&p.first, d.Seconds())
	if demand {
		average(&p.demanded, d.Seconds())
	}
}

// streamed notes that n bytes came in d, the time to the first included.
func (p *pace) streamed(n int64, d time.Duration) {
	if rest := d - p.latency(); n >= 1<<20 && rest > 0 {
		average(&p.bytes, float64(n)/rest.Seconds())
	}
}

func (p *pace) latency() time.Duration {
	return time.Duration(math.Float64frombits(p.first.Load()) * float64(time.Second))
}

func (p *pace) perConnection() float64 { return math.Float64frombits(p.bytes.Load()) }

// pressed tells whether readers wait much longer than the source needs to answer: then the
// background is in their way.
func (p *pace) pressed() bool {
	d, all := math.Float64frombits(p.demanded.Load()), math.Float64frombits(p.first.Load())
	return d > 2*all+0.005
}
