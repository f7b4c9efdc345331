package s3test

import (
	"sync"
	"time"
)

// pace is the clock of one link: the moment at which all bytes booked so far have passed it. Each booking moves the
// clock by bytes/rate and the sender sleeps until it, so the error of one sleep does not add up: it is debt that the
// next booking has less to wait for. A token bucket would need refilling and a burst size; this needs neither.
//
// The zero value is an idle link.
type pace struct {
	mu   sync.Mutex
	busy time.Time // bytes booked so far have passed at this moment
}

const (
	// paceSlack is how far the clock may fall behind the real one within a transfer: what a late wake-up may catch up.
	paceSlack = 10 * time.Millisecond
	// paceGrain is the shortest sleep worth its cost; less is carried to the next booking.
	paceGrain = 200 * time.Microsecond
	// paceTick is the time one chunk should take: 80 MB/s is sent in chunks of 160 KB, 500 sleeps a second.
	paceTick = 2 * time.Millisecond

	minChunk = 4 << 10
	maxChunk = 256 << 10
)

// begin starts a transfer: time in which the link was idle earns no credit.
func (p *pace) begin(now time.Time) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.busy.Before(now) {
		p.busy = now
	}
}

// book reserves n bytes at rate bytes per second and returns how long to wait until they have passed, 0 for
// less than paceGrain. rate 0 is no limit.
func (p *pace) book(now time.Time, n, rate int64) time.Duration {
	if rate <= 0 {
		return 0
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if floor := now.Add(-paceSlack); p.busy.Before(floor) {
		p.busy = floor
	}
	p.busy = p.busy.Add(time.Duration(float64(n) / float64(rate) * float64(time.Second)))
	if d := p.busy.Sub(now); d >= paceGrain {
		return d
	}
	return 0
}

// chunk is how many bytes to send per booking at rate, at most limit.
func chunk(rate, limit int64) int64 {
	n := int64(maxChunk)
	if rate > 0 {
		n = min(maxChunk, max(minChunk, rate*int64(paceTick)/int64(time.Second)))
	}
	return min(n, limit)
}
