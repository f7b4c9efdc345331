package shim

import (
	"os"
	"path/filepath"
	"sync"
	"syscall"
)

// engines are those of this process.
var engines = newRegistry()

// registry holds one engine per database file, shared by all connections of the process. Opening
// and closing one takes time, in which others who want it wait.
//
// A file is known by the folder it is in and its name there, and not by its path: the same folder
// may be mounted in two places. It need not exist yet.
type registry struct {
	mu    sync.Mutex // guards the rest and what is in slots; not held while one opens or closes
	slots map[place]*slot
	paths map[string]place // of the slots: by all names that they were asked for by
}

// place is where a file is: a folder by its device and inode, or when there is none, by its path.
type place struct {
	dev, ino uint64
	name     string
}

func newRegistry() *registry {
	return &registry{slots: map[place]*slot{}, paths: map[string]place{}}
}

func placeOf(path string) place {
	info, err := os.Stat(filepath.Dir(path))
	if err != nil {
		return place{name: path}
	}
	st := info.Sys().(*syscall.Stat_t)
	return place{uint64(st.Dev), st.Ino, filepath.Base(path)}
}

// slot is a file's place in the registry.
type slot struct {
	engine *engine       // nil while it is being opened
	users  int           // files open on it, our own not counted
	moving chan struct{} // being opened or closed; closed when that is done. nil: at rest
	err    error         // why opening failed, for those who waited for it
}

// placeLocked is where the file at path is. A path that leads to a slot leads there for as long as
// that is: what is open does not move.
func (r *registry) placeLocked(path string) place {
	if at, ok := r.paths[path]; ok {
		return at
	}
	return placeOf(path)
}

// acquire returns the engine of the file at path for one more user, opening it if need be.
func (r *registry) acquire(path string, open func() (*engine, error)) (*engine, error) {
	for {
		r.mu.Lock()
		at := r.placeLocked(path)
		s := r.slots[at]
		r.paths[path] = at
		switch {
		case s == nil:
			s = &slot{moving: make(chan struct{})}
			r.slots[at] = s
			r.mu.Unlock()
			return r.opened(at, s, open)
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

func (r *registry) opened(at place, s *slot, open func() (*engine, error)) (*engine, error) {
	e, err := open()
	r.mu.Lock()
	defer r.mu.Unlock()
	s.engine, s.err, s.users = e, err, 1
	if err != nil {
		r.removeLocked(at)
	} else {
		e.place = at
	}
	close(s.moving)
	s.moving = nil
	return e, err
}

func (r *registry) removeLocked(at place) {
	delete(r.slots, at)
	for path, to := range r.paths {
		if to == at {
			delete(r.paths, path)
		}
	}
}

// release gives e back; the last user closes it.
func (r *registry) release(e *engine) {
	r.mu.Lock()
	s := r.slots[e.place]
	if s.users--; s.users > 0 {
		r.mu.Unlock()
		return
	}
	s.moving = make(chan struct{})
	r.mu.Unlock()
	e.close()
	r.mu.Lock()
	defer r.mu.Unlock()
	r.removeLocked(e.place)
	close(s.moving)
}

// find returns the engine of the file at path, also one that is being closed; nil for none.
func (r *registry) find(path string) *engine {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.slots) == 0 {
		return nil
	}
	if s := r.slots[r.placeLocked(path)]; s != nil {
		return s.engine
	}
	return nil
}

// awaitClose returns when e, which is being closed, is gone. False: nobody is closing it.
func (r *registry) awaitClose(e *engine) bool {
	r.mu.Lock()
	s := r.slots[e.place]
	if s == nil || s.engine != e {
		r.mu.Unlock()
		return true
	}
	moving := s.moving
	r.mu.Unlock()
	if moving == nil {
		return false
	}
	<-moving
	return true
}

// users is how many files are open on e.
func (r *registry) users(e *engine) int {
	r.mu.Lock()
	defer r.mu.Unlock()
	if s := r.slots[e.place]; s != nil && s.engine == e {
		return s.users
	}
	return 0
}
