package limit

import (
	"container/list"
	"context"
	"sync"
)

// slots is a semaphore whose size can change. Waiters are served in the order they came.
type slots struct {
	mu      sync.Mutex
	size    int // 0: no limit
	taken   int
	waiting list.List // of chan struct{}, closed when the place is given
}

func (s *slots) set(size int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.size = max(size, 0)
	s.grantLocked()
}

func (s *slots) state() (size, taken int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.size, s.taken
}

// acquire takes a place, or returns ctx's error.
func (s *slots) acquire(ctx context.Context) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	granted := make(chan struct{})
	s.mu.Lock()
	e := s.waiting.PushBack(granted)
	s.grantLocked()
	s.mu.Unlock()
	select {
	case <-granted:
		return nil
	case <-ctx.Done():
		s.abandon(e, granted)
		return ctx.Err()
	}
}

// abandon leaves the queue; a place that was given in the meantime is given back.
func (s *slots) abandon(e *list.Element, granted chan struct{}) {
	s.mu.Lock()
	defer s.mu.Unlock()
	select {
	case <-granted:
		s.taken--
		s.grantLocked()
	default:
		s.waiting.Remove(e)
	}
}

func (s *slots) release() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.taken--
	s.grantLocked()
}

// grantLocked gives free places to those who wait.
func (s *slots) grantLocked() {
	for s.waiting.Len() > 0 && (s.size == 0 || s.taken < s.size) {
		close(s.waiting.Remove(s.waiting.Front()).(chan struct{}))
		s.taken++
	}
}
