package s3test

import (
	"io"
	"time"
)

// send streams content[off, off+n) as the rest of the response: paced, counted, and cut where the plan says. An error
// on the way leaves the client with a short body, so there is nobody to report it to.
func (c *call) send(src content, off, n int64) {
	r, err := src.stream(off)
	if err != nil {
		c.hangUp()
		return
	}
	defer r.Close()

	now := time.Now()
	c.conn.down.begin(now)
	c.s.total.begin(now)
	cut := c.plan.cut
	for sent := int64(0); sent < n; {
		if cut != nil && sent == cut.at {
			if goOn := cut.act(c); !goOn {
				return
			}
			cut = nil
		}
		step := chunk(c.rate(), n-sent)
		if c.plan.trickle > 0 {
			step = 1
		}
		if cut != nil && sent < cut.at {
			step = min(step, cut.at-sent)
		}
		if c.wait(step) != nil {
			c.abort()
			return
		}
		c.s.stats.sent(c.access, step)
		done, err := io.CopyN(c.w, r, step)
		sent += done
		if err != nil {
			c.s.stats.sent(c.access, done-step)
			c.abort()
			return
		}
		if c.plan.trickle > 0 {
			c.w.Flush()
			if sleep(c.ctx, c.plan.trickle) != nil {
				c.abort()
				return
			}
		}
	}
}

// abort ends a body that cannot be finished, so that it does not look like a whole one. Where the client has left
// already, it does no harm.
func (c *call) abort() {
	if !c.w.lost {
		c.hangUp()
	}
}

// rate is the bytes per second this response may take now.
func (c *call) rate() int64 {
	rate := c.s.Network().Bandwidth
	if d := c.plan.drip; d > 0 && (rate == 0 || d < rate) {
		return d
	}
	return rate
}

// wait returns when the next n bytes may be sent.
func (c *call) wait(n int64) error {
	now := time.Now()
	d := c.conn.down.book(now, n, c.rate())
	d = max(d, c.s.total.book(now, n, c.s.Network().TotalBandwidth))
	return sleep(c.ctx, d)
}

// slowReader is a request body as fast as the network lets it come.
type slowReader struct {
	c *call
	r io.Reader
}

func (s *slowReader) Read(p []byte) (int, error) {
	rate := s.c.s.Network().Bandwidth
	n, err := s.r.Read(p[:chunk(rate, int64(len(p)))])
	s.c.s.stats.received(int64(n))
	if d := s.c.conn.up.book(time.Now(), int64(n), rate); d > 0 {
		if stop := sleep(s.c.ctx, d); stop != nil {
			return n, stop
		}
	}
	return n, err
}
