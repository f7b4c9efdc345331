package s3test

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"strings"
	"time"
)

// Late adds a delay drawn from l, anew for each request.
func Late(l Latency) Action {
	return func(p *plan) {
		p.by.s.rng.with(func(r *rand.Rand) { p.delay += max(0, l(r)) })
	}
}

// Pause stops for d when n bytes of the body are sent, then goes on.
func Pause(n int64, d time.Duration) Action {
	return func(p *plan) {
		p.cut = &cut{n, func(c *call) bool { c.w.Flush(); return sleep(c.ctx, d) == nil || c.hangUp() }}
	}
}

// Trickle sends one byte of the body at a time, with a pause of every after each.
func Trickle(every time.Duration) Action {
	return func(p *plan) { p.trickle = every }
}

// When calls f when n bytes of the body are sent, and goes on: the object can be replaced while it is
// being read. f must not wait for the request.
func When(n int64, f func()) Action {
	return func(p *plan) {
		p.cut = &cut{n, func(c *call) bool { c.w.Flush(); f(); return true }}
	}
}

// Long puts n bytes of what follows in the object, or of zeros, behind the body, and declares the
// higher Content-Length. Content-Range still names what was asked.
func Long(n int64) Action {
	return func(p *plan) { p.long = n }
}

// Undeclared sends the body in chunks, without a Content-Length.
func Undeclared() Action {
	return func(p *plan) { p.undeclared = true }
}

// Total makes Content-Range name a size of the object that is off by so much.
func Total(off int64) Action {
	return func(p *plan) { p.total = off }
}

// Redirect answers with status and a Location instead of doing what was asked. An empty one is the
// address that was asked for: a loop.
func Redirect(status int, location string) Action {
	return func(p *plan) {
		p.raw = func(c *call) string {
			to := location
			if to == "" {
				to = "http://" + c.r.Host + c.r.URL.RequestURI()
			}
			return fmt.Sprintf("HTTP/1.1 %d %s\r\nLocation: %s\r\nContent-Length: 0\r\n\r\n", status, http.StatusText(status), to)
		}
	}
}

// Garbage answers with these bytes, instead of any HTTP, and ends the connection.
func Garbage(wire string) Action {
	return func(p *plan) { p.raw = func(*call) string { return wire } }
}

// HugeHeader adds a response header of n bytes.
func HugeHeader(n int) Action { return Header("X-Padding", strings.Repeat("x", n)) }

// answerRaw writes what is no answer of ours.
func (c *call) answerRaw(wire string) {
	tcp := c.w.seize()
	if tcp == nil {
		panic(http.ErrAbortHandler)
	}
	_, _ = tcp.Write([]byte(wire))
	_ = tcp.Close()
}
