package clone

import (
	"sync"
	"time"
)

// pace is what has been measured of the source, as moving averages. It begins with what an object
// store in the same region is known to do.
type pace struct {
	mu      sync.Mutex    // guards the rest
	latency time.Duration // to the first byte
	rate    float64       // of one connection, bytes per second
	small   time.Duration // of a whole fetch that somebody waited for, up to smallFetch
	best    time.Duration // the least that small has been lately
	demands uint64        // how many of these there were
}

// smallFetch bounds what counts as a small fetch, in bytes: little more than its latency.
const smallFetch = 4 * minWindow

func newPace() *pace {
	return &pace{latency: 30 * time.Millisecond, rate: 60e6, small: 32 * time.Millisecond, best: 32 * time.Millisecond}
}

// answered notes the time to the first byte of a request.
func (p *pace) answered(d time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.latency += (d - p.latency) / 5
}

// fetched notes that n bytes came in d, the time to the first included. demand tells whether
// somebody waited for them.
func (p *pace) fetched(demand bool, n int64, d time.Duration) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if rest := d - p.latency; n >= 1<<20 && rest > 0 {
		p.rate += (float64(n)/rest.Seconds() - p.rate) / 5
	}
	if demand && n <= smallFetch {
		p.demands++
		p.small += (d - p.small) / 3
		// Forgotten by a hundredth each time: the source may have moved away for good.
		p.best = min(p.best+p.best/100, d)
	}
}

// alone is how long a small fetch may be expected to take.
func (p *pace) alone() time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.small
}

// window is how much to ask for around what a reader wants, in bytes: what comes in a sixteenth of
// the time that the source takes to begin, so that the neighbours cost next to nothing.
func (p *pace) window() int64 {
	p.mu.Lock()
	defer p.mu.Unlock()
	for w := int64(minWindow); ; w *= 2 {
		if w == smallFetch || 2*float64(w) > p.rate*p.latency.Seconds()/16 {
			return w
		}
	}
}

// readers is how many readers have waited for a small fetch, and pressed.
func (p *pace) readers() (n uint64, pressed bool) {
	pressed = p.pressed()
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.demands, pressed
}

// pressed tells whether readers wait much longer than they would if nobody else were fetching.
func (p *pace) pressed() bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.small > p.best*3/2+2*time.Millisecond
}

// estimate is how long it will take until left more bytes of a request have come, of which got
// have so far, since it was sent and since it was answered (0: not yet). They come no faster than
// at most bytes per second; 0: no such bound.
func (p *pace) estimate(left, got int64, sent, answered time.Duration, most float64) time.Duration {
	p.mu.Lock()
	defer p.mu.Unlock()
	rate, wait := p.rate, time.Duration(0)
	if answered == 0 {
		wait = max(p.latency-sent, 0)
	} else if got >= minWindow {
		rate = float64(got) / answered.Seconds()
	} else {
		rate = min(rate, minWindow/answered.Seconds()) // since not even that much has come
	}
	if most > 0 {
		rate = min(rate, most)
	}
	return wait + time.Duration(float64(left)/rate*float64(time.Second))
}
