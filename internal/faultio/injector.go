package faultio

import "sync"

// Injector counts operations and makes some of them fail. Its zero value only counts. It may be
// used from many goroutines; which of two operations at the same time is the K-th is chance.
type Injector struct {
	mu     sync.Mutex
	faults []Fault
	counts map[Op]int
	hits   int
}

// New returns an injector of the given faults. When several hit an operation the first counts.
func New(faults ...Fault) *Injector {
	return &Injector{faults: faults}
}

// Do is called before an operation. A non-nil error, an *Error, is what the operation is to return
// instead of being done, or with Fault.Short after being half done.
func (i *Injector) Do(op Op) error {
	if fault := i.next(op); fault != nil {
		return fault
	}
	return nil
}

// next counts an operation and returns its error, nil when it has none.
func (i *Injector) next(op Op) *Error {
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.counts == nil {
		i.counts = map[Op]int{}
	}
	i.counts[op]++
	if op != Any {
		i.counts[Any]++
	}
	for _, f := range i.faults {
		if (f.Op == Any || f.Op == op) && f.hits(i.counts[f.Op]) {
			i.hits++
			return &Error{f}
		}
	}
	return nil
}

// Count returns how many operations of a kind there were, failed ones included.
func (i *Injector) Count(op Op) int {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.counts[op]
}

// Hits returns how many operations failed: 0 means that the fault was beyond the workload.
func (i *Injector) Hits() int {
	i.mu.Lock()
	defer i.mu.Unlock()
	return i.hits
}

// Inject replaces the faults and starts counting anew.
func (i *Injector) Inject(faults ...Fault) {
	i.mu.Lock()
	defer i.mu.Unlock()
	i.faults, i.counts, i.hits = faults, nil, 0
}
