package sqlitevfs

import (
	"sync"

	"hydrant/source"
	"hydrant/source/sourcetest"
)

// outage makes the k-th request fail that sources are sent while it lasts, and if it is sticky all
// that follow. Several sources may share one.
type outage struct {
	kind   string // of outageKinds
	k      int
	sticky bool
	onHit  func() // called for each request that fails, in a goroutine of its own

	mu   sync.Mutex // guards the rest
	on   bool
	n    int
	hits int
	gate chan struct{} // what holds requests of kind interrupt
	wg   sync.WaitGroup
}

// outageKinds are a connection that breaks and cannot be made again; a source that says nothing;
// one that says nothing more after half of the answer; one that has become another; and one that
// says nothing while the user gives up.
var outageKinds = []string{"network", "timeout", "half", "changed", "interrupt"}

func (o *outage) begin() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.on, o.n, o.hits, o.gate = true, 0, 0, make(chan struct{})
}

// end lets everything pass again, and returns how many requests there were and how many failed.
func (o *outage) end() (requests, hits int) {
	o.mu.Lock()
	if o.on {
		close(o.gate)
	}
	o.on = false
	o.mu.Unlock()
	o.wg.Wait()
	return o.n, o.hits
}

// plan is a sourcetest.Plan.
func (o *outage) plan(r sourcetest.Request) sourcetest.Fault {
	o.mu.Lock()
	defer o.mu.Unlock()
	if !o.on {
		return sourcetest.Fault{}
	}
	o.n++
	if o.k == 0 || o.n < o.k || o.n > o.k && !o.sticky {
		return sourcetest.Fault{}
	}
	o.hits++
	if o.onHit != nil {
		o.wg.Go(o.onHit)
	}
	switch o.kind {
	case "network":
		return sourcetest.Fault{Err: sourcetest.Reset()}
	case "timeout":
		return sourcetest.Fault{Stall: true}
	case "half":
		return sourcetest.Fault{Stall: true, After: max(r.Len/2, 1)}
	case "changed":
		return sourcetest.Fault{Err: source.ErrChanged}
	case "interrupt":
		return sourcetest.Fault{Gate: o.gate}
	}
	panic(o.kind)
}
