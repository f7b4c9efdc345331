package torture

import (
	"fmt"
	"sync"
)

// Acks are what writers were answered. Safe for concurrent use.
type Acks struct {
	mu    sync.Mutex // guards the rest
	last  [Owners]int64
	total int64
}

// Note takes down what a writer has said. The error tells of an acknowledged commit that was not
// there any more, or of one that nobody has made.
func (a *Acks) Note(owner int, e Event) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	last := a.last[owner]
	switch {
	case e.What == SaidStart && e.Seq != last && e.Seq != last+1:
		return fmt.Errorf("owner %d: commit %d was acknowledged, and the last one there is %d", owner, last, e.Seq)
	case e.What == SaidAck && e.Seq != last+1:
		return fmt.Errorf("owner %d: commit %d was acknowledged, and then %d", owner, last, e.Seq)
	case e.What == SaidStart, e.What == SaidAck:
		a.total += e.Seq - last
		a.last[owner] = e.Seq
	}
	return nil
}

// Last are the last commits that were acknowledged, by owner.
func (a *Acks) Last() [Owners]int64 {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.last
}

// Total is how many commits there were in all.
func (a *Acks) Total() int64 {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.total
}

// Bounds are what commits have to be there when all writers are gone: those that were acknowledged,
// and perhaps one of each that was under way.
func (a *Acks) Bounds() (low, high [Owners]int64) {
	low = a.Last()
	for owner, n := range low {
		high[owner] = n + 1
	}
	return low, high
}

// Found takes down what was there after all, so that it has to stay.
func (a *Acks) Found(seqs [Owners]int64) {
	a.mu.Lock()
	defer a.mu.Unlock()
	for owner, n := range seqs {
		a.total += max(0, n-a.last[owner])
		a.last[owner] = max(a.last[owner], n)
	}
}
