package s3test

import (
	"math/rand/v2"
	"time"
)

// Hostility is a way in which a server, or what stands before it, treats a GET for a range.
type Hostility struct {
	Name string
	Do   []Action
	// Lie: the answer is not what was asked for. Whoever believes it has wrong bytes; asking again
	// at once is no use. Otherwise it is trouble that goes away when asked again.
	Lie bool
}

// Hostilities are all that tests of readers go through. None is for ever: combine with Match.Times,
// or remove the rule. Those that stall need a client that gives up.
func Hostilities() []Hostility {
	trouble := func(name string, do ...Action) Hostility { return Hostility{Name: name, Do: do} }
	lie := func(name string, do ...Action) Hostility { return Hostility{Name: name, Do: do, Lie: true} }
	tail := Mixed(Uniform(0, 2*time.Millisecond), Pareto(5*time.Millisecond, 1.1, 100*time.Millisecond), 0.3)
	return []Hostility{
		trouble("heavy tail", Late(tail)),
		trouble("spikes", Late(Mixed(Fixed(0), Fixed(80*time.Millisecond), 0.2))),
		trouble("log-normal", Late(LogNormal(3*time.Millisecond, 1))),
		trouble("silent for a moment", Pause(5000, 50*time.Millisecond)),
		trouble("silent before the headers", Stall()),
		trouble("silent in the body", StallAfter(5000)),
		trouble("reset before the headers", Reset()),
		trouble("reset for an answer", LoseResponse()),
		trouble("reset in the body", ResetAfter(5000)),
		trouble("cut off before the body", TruncateAfter(0)),
		trouble("cut off in the body", TruncateAfter(5000)),
		trouble("cut off in an undeclared body", Undeclared(), TruncateAfter(5000)),
		trouble("undeclared length", Undeclared()),
		trouble("slow down", SlowDown()),
		trouble("slow down, with advice", SlowDown(), Header("Retry-After", "1")),
		trouble("too many requests", Status(429, "TooManyRequests")),
		trouble("internal error", Status(500, "InternalError")),
		trouble("bad gateway", Garbage("HTTP/1.1 502 Bad Gateway\r\nContent-Length: 5\r\n\r\n<html")),
		trouble("gone without a word", Garbage("")),

		lie("whole object", IgnoreRange()),
		lie("another range", ShiftRange(1)),
		lie("another total", Total(1)),
		lie("no range", Header("Content-Range", "")),
		lie("no range at all", Header("Content-Range", "bytes */100")),
		lie("shorter, and says so", Short(1)),
		lie("empty", Short(1<<40)),
		lie("longer, and says so", Long(1)),
		lie("longer, undeclared", Long(1), Undeclared()),
		lie("much longer, undeclared", Long(1<<20), Undeclared()),
		lie("gzip", Gzip()),
		lie("gzip, undeclared", Gzip(), Undeclared()),
		lie("another version", ChangeETag("another")),
		lie("no version", Header("ETag", "")),
		lie("denied", Status(403, "AccessDenied")),
		lie("expired", Status(403, "ExpiredToken")),
		lie("precondition failed", Status(412, "PreconditionFailed")),
		lie("redirected in circles", Redirect(307, "")),
		lie("no HTTP", Garbage("\x00\x01\x02 hello?\r\n\r\n")),
		lie("odd status", Garbage("HTTP/1.1 299 Odd\r\nContent-Length: 0\r\n\r\n")),
		lie("huge headers", HugeHeader(1<<20)),
	}
}

// Choose returns some of the hostilities, drawn by r, and each of them but once.
func Choose(r *rand.Rand, n int, lies bool) []Hostility {
	var out []Hostility
	all := Hostilities()
	for _, i := range r.Perm(len(all)) {
		if h := all[i]; len(out) < n && (lies || !h.Lie) {
			out = append(out, h)
		}
	}
	return out
}
