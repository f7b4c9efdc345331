package shim

import "sync"

// engines are those of this process.
var engines = registry{slots: map[string]*slot{}}

// registry holds one engine per database file, shared by all connections of the process. Opening
// and closing one takes time, in which others who want it wait.
type registry struct {
	mu    sync.Mutex // guards slots and what is in them; not held while one opens or closes
	slots map[string]*slot
}

// slot is a file's place in the registry.
type slot struct {
	engine *engine       // nil while it is being opened
	users  int           // files open on it, our own not counted
	moving chan struct{} // being opened or closed; closed when that is done. nil: at rest
	err    error         // why opening failed, for those who waited for it
}

// acquire returns the engine of the file at path for one more user, opening it if need be.
func (r *registry) acquire(path string, open func() (*engine, error)) (*engine, error) {
	for {
		r.mu.Lock()
		s := r.slots[path]
		switch {
		case s == nil:
			s = &slot{moving: make(chan struct{})}
			r.slots[path] = s
			r.mu.Unlock()
			return r.opened(path, s, open)
		case s.moving == nil:
			s.users++
			r.mu.Unlock()
			return s.engine, nil
		}
		moving := s.moving
		r.mu.Unlock()
		<-moving
		if s.err != nil {
			return nil, s.err
		}
	}
}

func (r *registry) opened(path string, s *slot, open func() (*engine, error)) (*engine, error) {
	e, err := open()
	r.mu.Lock()
	defer r.mu.Unlock()
	s.engine, s.err, s.users = e, err, 1
	if err != nil {
		delete(r.slots, path)
	}
	close(s.moving)
	s.moving = nil
	return e, err
}

// release gives e back; the last user closes it.
func (r *registry) release(e *engine) {
	r.mu.Lock()
	s := r.slots[e.path]
	if s.users--; s.users > 0 {
		r.mu.Unlock()
		return
	}
	s.moving = make(chan struct{})
	r.mu.Unlock()
	e.close()
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.slots, e.path)
	close(s.moving)
}

// find returns the engine of the file at path, also one that is being closed; nil for none.
func (r *registry) find(path string) *engine {
	r.mu.Lock()
	defer r.mu.Unlock()
	if s := r.slots[path]; s != nil {
		return s.engine
	}
	return nil
}

// users is how many files are open on e.
func (r *registry) users(e *engine) int {
	r.mu.Lock()
	defer r.mu.Unlock()
	if s := r.slots[e.path]; s != nil && s.engine == e {
		return s.users
	}
	return 0
}
