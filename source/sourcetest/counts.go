package sourcetest

import "slices"

// Requests is the number of requests so far. See source.Counter.
func (f *Fake) Requests() int64 {
	f.mu.Lock()
	defer f.mu.Unlock()
	return int64(len(f.requests))
}

// Log returns all requests so far, in order.
func (f *Fake) Log() []Request {
	f.mu.Lock()
	defer f.mu.Unlock()
	all := make([]Request, len(f.requests))
	for i, r := range f.requests {
		all[i] = *r
	}
	return all
}

// Ranges returns the ranges asked for, sorted, Identify aside.
func (f *Fake) Ranges() []Request {
	all := slices.DeleteFunc(f.Log(), func(r Request) bool { return !r.ranged() })
	slices.SortStableFunc(all, byOffset)
	return all
}

// Delivered is the number of bytes read from the source so far, those of Identify aside.
func (f *Fake) Delivered() int64 {
	var sum int64
	for _, r := range f.Log() {
		if r.ranged() {
			sum += r.Delivered
		}
	}
	return sum
}

// Twice is the number of bytes delivered although they had been before, Identify aside.
func (f *Fake) Twice() int64 { return twice(f.Log()) }

// InFlight is the number of requests that are running now, and the most there were at once. A
// request runs until its error, its last byte or its Close.
func (f *Fake) InFlight() (now, most int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.inFlight, f.most
}

// Forget empties the log and starts to count from 1 again. Requests under way stay in flight.
func (f *Fake) Forget() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.requests = nil
	f.most = f.inFlight
}
