package s3test

import (
	"context"
	"math/rand/v2"
	"time"
)

// Network is how far away the server seems. The zero value is the loopback interface as it is.
type Network struct {
	// Latency is waited once per request, before it is looked at: the time to the first byte.
	Latency Latency

	// Connect is added to the first request of each connection: TCP and TLS handshakes.
	Connect Latency

	// Bandwidth is bytes per second of one connection, in each direction; 0 is no limit.
	Bandwidth int64

	// TotalBandwidth is bytes per second of all response bodies together; 0 is no limit.
	TotalBandwidth int64
}

// SetNetwork replaces the network. Bodies in transit follow the new bandwidth from their next chunk on, waits for a
// first byte that have begun stay as long as they were drawn.
func (s *Server) SetNetwork(n Network) { s.net.Store(&n) }

// Network is the one in force.
func (s *Server) Network() Network { return *s.net.Load() }

// firstByte waits as long as the network takes to answer. The error is ctx's.
func (s *Server) firstByte(ctx context.Context, c *conn) error {
	n := s.Network()
	d := s.draw(n.Latency)
	if !c.served.Swap(true) {
		d += s.draw(n.Connect)
	}
	return sleep(ctx, d)
}

func (s *Server) draw(l Latency) (d time.Duration) {
	if l == nil {
		return 0
	}
	s.rng.with(func(r *rand.Rand) { d = l(r) })
	return max(0, d)
}

// sleep returns nil after d, or ctx's error when that ends first.
func sleep(ctx context.Context, d time.Duration) error {
	if d <= 0 {
		return ctx.Err()
	}
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
