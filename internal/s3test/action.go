package s3test

import (
	"net/http"
	"time"
)

// Action is one thing that goes wrong with a request. Actions compose: each fills its part of the plan.
type Action func(*plan)

// plan is everything that goes wrong with one request; the zero value is nothing.
type plan struct {
	by *Fault // the rule whose actions are being applied

	delay   time.Duration
	stall   []*Fault            // before anything is looked at
	reset   bool                // before anything is looked at
	answer  *apiError           // instead of doing it
	lose    bool                // do it, say nothing
	headers []func(http.Header) // last word on the response headers
	cut     *cut                // in the body
	flips   []int64             // object offsets of bytes with a bit turned over
	short   int64               // bytes missing from the end of the body, honestly declared
	whole   bool                // Range is ignored
	naive   bool                // conditions are ignored
	gzip    bool                // the body is compressed, and says so
	shift   int64               // Content-Range names offsets that far off
	drip    int64               // bytes per second

	trickle    time.Duration      // between single bytes
	long       int64              // bytes too many at the end of the body, honestly declared
	undeclared bool               // no Content-Length
	total      int64              // Content-Range names a size that far off
	raw        func(*call) string // instead of an answer
}

// cut is where a body is interrupted and how. act returns whether the body goes on.
type cut struct {
	at  int64
	act func(*call) (goOn bool)
}

// Status answers with status and an S3 error of that code instead of doing what was asked. 200 with a code is what S3
// does when a copy or a completion fails late.
func Status(status int, code string) Action {
	return func(p *plan) { p.answer = fail(status, code, "%s, on purpose.", code) }
}

// SlowDown is S3's 503 to one who asks too often.
func SlowDown() Action {
	return func(p *plan) { p.answer = fail(503, "SlowDown", "Please reduce your request rate.") }
}

// Delay adds d to the time to the first byte.
func Delay(d time.Duration) Action {
	return func(p *plan) { p.delay += d }
}

// Stall holds the request before it is looked at, until Release or until the client leaves; the leaving of one that
// still has a body to send is not noticed.
func Stall() Action {
	return func(p *plan) { p.stall = append(p.stall, p.by) }
}

// Reset ends the connection with an RST before the request is looked at: it has no effect and no answer.
func Reset() Action {
	return func(p *plan) { p.reset = true }
}

// LoseResponse does what was asked, then ends the connection with an RST and no answer.
func LoseResponse() Action {
	return func(p *plan) { p.lose = true }
}

// ResetAfter ends the connection with an RST when n bytes of the body are sent; the client may get fewer. A body of n
// bytes or less is whole.
func ResetAfter(n int64) Action {
	return func(p *plan) { p.cut = &cut{n, func(c *call) bool { return c.reset() }} }
}

// TruncateAfter ends the connection in good order when n bytes of the body are sent, though more were declared.
func TruncateAfter(n int64) Action {
	return func(p *plan) { p.cut = &cut{n, func(c *call) bool { return c.hangUp() }} }
}

// StallAfter stops when n bytes of the body are sent, until Release (the body goes on) or until the client leaves.
func StallAfter(n int64) Action {
	return func(p *plan) {
		by := p.by
		p.cut = &cut{n, func(c *call) bool { c.w.Flush(); return by.hold(c) || c.hangUp() }}
	}
}

// Drip sends the body at no more than rate bytes per second.
func Drip(rate int64) Action {
	return func(p *plan) { p.drip = rate }
}

// Short leaves the last n bytes out of the body and declares the lower Content-Length, as if that were all of it.
// Content-Range still names what was asked.
func Short(n int64) Action {
	return func(p *plan) { p.short = n }
}

// IgnoreRange answers 200 with the whole object.
func IgnoreRange() Action {
	return func(p *plan) { p.whole = true }
}

// ShiftRange makes Content-Range name offsets by more than what is sent.
func ShiftRange(by int64) Action {
	return func(p *plan) { p.shift = by }
}

// IgnoreConditions does not look at If-Match and its kin, as some servers do.
func IgnoreConditions() Action {
	return func(p *plan) { p.naive = true }
}

// Gzip compresses the body and says so in Content-Encoding, as a meddling proxy does.
func Gzip() Action {
	return func(p *plan) { p.gzip = true }
}

// FlipBit turns over one bit of the object's byte at offset, on the wire only.
func FlipBit(offset int64) Action {
	return func(p *plan) { p.flips = append(p.flips, offset) }
}

// Header sets a response header to value, or removes it when value is empty.
func Header(name, value string) Action {
	return func(p *plan) {
		p.headers = append(p.headers, func(h http.Header) {
			if value == "" {
				h.Del(name)
				return
			}
			h.Set(name, value)
		})
	}
}

// ChangeETag answers with another ETag (without quotes), as if the object had been replaced; conditions are still
// judged by the true one, so combine with IgnoreConditions where that matters.
func ChangeETag(etag string) Action { return Header("ETag", `"`+etag+`"`) }

// applyBefore does what the plan has in store for a request before it is looked at.
func (c *call) applyBefore() error {
	p := &c.plan
	if sleep(c.ctx, p.delay) != nil {
		c.hangUp()
		return nil
	}
	for _, f := range p.stall {
		if !f.hold(c) {
			c.hangUp()
			return nil
		}
	}
	if p.reset {
		c.reset()
		return nil
	}
	if p.raw != nil {
		c.answerRaw(p.raw(c))
		return nil
	}
	if p.answer != nil {
		return p.answer
	}
	return nil
}

// hold blocks c until Release, then returns true, or until its client leaves, then false.
func (f *Fault) hold(c *call) bool {
	f.once.stall.Do(func() { close(f.stalled) })
	select {
	case <-f.released:
		return true
	case <-c.ctx.Done():
		return false
	}
}
