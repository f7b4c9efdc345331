package limit

import (
	"context"
	"sync/atomic"
	"time"

	xrate "golang.org/x/time/rate"
)

// largestChunk bounds the bytes read, and waited for, at once. It is the burst of the limiter.
const (
	largestChunk  = 64 << 10
	smallestChunk = 512
)

// rate is a bandwidth. What has arrived is waited for afterwards, as only then its length is
// known; the delay reaches the server by way of the window of the connection.
type rate struct {
	bandwidth atomic.Int64 // bytes per second; 0: no limit
	limiter   *xrate.Limiter
}

func (r *rate) init(bandwidth int64) {
	r.limiter = xrate.NewLimiter(xrate.Inf, largestChunk)
	r.set(bandwidth)
}

func (r *rate) set(bandwidth int64) {
	bandwidth = max(bandwidth, 0)
	limit := xrate.Limit(bandwidth)
	if bandwidth == 0 {
		limit = xrate.Inf
	}
	r.bandwidth.Store(bandwidth)
	r.limiter.SetLimit(limit)
}

// chunk is how many bytes to read at once: a sixteenth of a second's, since whoever waits does
// not notice a change of the bandwidth before the end of the wait.
func (r *rate) chunk() int {
	b := r.bandwidth.Load()
	if b == 0 {
		return 1 << 30
	}
	return int(min(max(b/16, smallestChunk), largestChunk))
}

// wait returns when n bytes more are within the bandwidth, or with ctx's error.
func (r *rate) wait(ctx context.Context, n int) error {
	for n > 0 {
		k := min(n, r.chunk(), largestChunk)
		if err := r.waitChunk(ctx, k); err != nil {
			return err
		}
		n -= k
	}
	return ctx.Err()
}

// waitChunk is xrate's WaitN with ctx's own error, and only when ctx has ended: WaitN gives up
// beforehand with an error of its own.
func (r *rate) waitChunk(ctx context.Context, n int) error {
	if r.bandwidth.Load() == 0 {
		return nil
	}
	reserved := r.limiter.ReserveN(time.Now(), n)
	delay := reserved.Delay()
	if delay == 0 {
		return nil
	}
	timer := time.NewTimer(delay)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		reserved.Cancel()
		return ctx.Err()
	}
}
