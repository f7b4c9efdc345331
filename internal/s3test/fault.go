package s3test

import (
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"sync"
)

// Match says which requests a fault meets. Empty fields match everything.
type Match struct {
	Op     Op
	Method string
	Bucket string
	Key    string // exact, or a prefix when it ends in *

	// From, To: only GETs that ask for some byte of [From, To) of the object. To = 0 means no such limit. Requests
	// without a range, or for a suffix, ask for all of it.
	From, To int64

	Skip  int // let the first Skip matching requests pass
	Times int // act on that many, then no more; 0: for ever

	// Probability that a matching request is met, drawn from the server's seed; 0 and 1 mean always. Skip and Times
	// count only requests that chance has chosen.
	Probability float64

	// If is asked last of the properties. It must not block.
	If func(*http.Request) bool
}

// Fault is a rule in force.
type Fault struct {
	s       *Server
	match   Match
	actions []Action

	released chan struct{} // closed by Release
	stalled  chan struct{} // closed when a request first stalls
	once     struct{ release, stall sync.Once }

	// guarded by faults.mu
	seen, hits int
}

// faults is the list of rules; all that match act, in order.
type faults struct {
	mu    sync.Mutex
	rules []*Fault
}

// Inject makes every request that m matches suffer all the actions. Rules add up: a request that several match
// suffers them all, the later ones having the last word.
func (s *Server) Inject(m Match, actions ...Action) *Fault {
	f := &Fault{s: s, match: m, actions: actions, released: make(chan struct{}), stalled: make(chan struct{})}
	s.faults.mu.Lock()
	defer s.faults.mu.Unlock()
	s.faults.rules = append(s.faults.rules, f)
	return f
}

// ClearFaults removes all rules and releases what they stall.
func (s *Server) ClearFaults() {
	s.faults.mu.Lock()
	rules := s.faults.rules
	s.faults.rules = nil
	s.faults.mu.Unlock()
	for _, f := range rules {
		f.Release()
	}
}

// Remove takes the rule out of force. Requests it already met keep suffering.
func (f *Fault) Remove() {
	f.s.faults.mu.Lock()
	defer f.s.faults.mu.Unlock()
	f.s.faults.rules = slices.DeleteFunc(f.s.faults.rules, func(x *Fault) bool { return x == f })
}

// Hits is how many requests the rule has met.
func (f *Fault) Hits() int {
	f.s.faults.mu.Lock()
	defer f.s.faults.mu.Unlock()
	return f.hits
}

// Release lets requests go on that the rule stalls, now and later.
func (f *Fault) Release() { f.once.release.Do(func() { close(f.released) }) }

// Stalled is closed when the rule first stalls a request.
func (f *Fault) Stalled() <-chan struct{} { return f.stalled }

// plan is what the rules do to c.
func (l *faults) plan(c *call) plan {
	l.mu.Lock()
	rules := slices.Clone(l.rules)
	l.mu.Unlock()

	var p plan
	for _, f := range rules {
		if !f.match.matches(c) || !f.chosen() {
			continue
		}
		p.by = f
		for _, act := range f.actions {
			act(&p)
		}
	}
	return p
}

// chosen draws and counts.
func (f *Fault) chosen() bool {
	if p := f.match.Probability; p > 0 && p < 1 {
		met := false
		f.s.rng.with(func(r *rand.Rand) { met = r.Float64() < p })
		if !met {
			return false
		}
	}
	f.s.faults.mu.Lock()
	defer f.s.faults.mu.Unlock()
	f.seen++
	if f.seen <= f.match.Skip || f.match.Times > 0 && f.hits >= f.match.Times {
		return false
	}
	f.hits++
	return true
}

func (m *Match) matches(c *call) bool {
	switch {
	case m.Op != "" && m.Op != c.op:
	case m.Method != "" && m.Method != c.r.Method:
	case m.Bucket != "" && m.Bucket != c.bucket:
	case m.Key != "" && !matchKey(m.Key, c.key):
	case m.To > 0 && !c.touches(m.From, m.To):
	case m.If != nil && !m.If(c.r):
	default:
		return true
	}
	return false
}

func matchKey(pattern, key string) bool {
	if prefix, ok := strings.CutSuffix(pattern, "*"); ok {
		return strings.HasPrefix(key, prefix)
	}
	return pattern == key
}

// touches reports whether c asks for some byte of [from, to).
func (c *call) touches(from, to int64) bool {
	if c.op != OpGetObject {
		return false
	}
	r, ok := parseRange(c.r.Header.Get("Range"))
	if !ok || r.suffix >= 0 {
		return true
	}
	return r.first < to && (r.last < 0 || r.last >= from)
}
