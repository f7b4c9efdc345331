package limit

// Limiter is what sources share: a bandwidth, and places for requests. Both can be changed at any
// time, also for requests under way. All methods may be called at the same time.
type Limiter struct {
	slots slots
	rate  rate
}

// NewLimiter returns a limiter of bandwidth bytes per second and of connections requests at once.
// 0 or less means no limit, of either.
func NewLimiter(bandwidth int64, connections int) *Limiter {
	l := &Limiter{}
	l.rate.init(bandwidth)
	l.slots.set(connections)
	return l
}

// SetBandwidth changes the bandwidth, in bytes per second. 0 or less means no limit.
func (l *Limiter) SetBandwidth(bandwidth int64) { l.rate.set(bandwidth) }

// SetConnections changes how many requests may run at once. 0 or less means no limit. Requests
// that are running are not ended: where there are too many, no other begins until there are not.
func (l *Limiter) SetConnections(connections int) { l.slots.set(connections) }

// Bandwidth returns the bandwidth in bytes per second, 0 without a limit.
func (l *Limiter) Bandwidth() int64 { return l.rate.bandwidth.Load() }

// Connections returns how many requests may run at once, 0 without a limit, and how many do.
func (l *Limiter) Connections() (limit, running int) { return l.slots.state() }
