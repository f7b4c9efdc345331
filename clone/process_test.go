package clone

import (
	"errors"
	"runtime"
	"sync"

	"hydrant/clone/state"
	"hydrant/dest"
)

// process is one of several that have a clone open, and can be killed in the middle of a call, while
// the others live on: every operation on its files is counted, and after the last neither begins nor
// returns any.
type process struct {
	c     *Clone
	name  int
	files *processStore
	quiet bool // without a background of its own

	mu     sync.Mutex // guards the rest
	left   int        // operations until death; negative: no end
	dead   bool
	died   chan struct{} // closed when dead
	buried chan struct{} // closed when it does not matter any more who is dead
}

func newProcess() *process {
	return &process{left: -1, died: make(chan struct{}), buried: make(chan struct{})}
}

var errBuried = errors.New("killed")

// step counts an operation. It never returns to the dead.
func (p *process) step() error {
	p.mu.Lock()
	if p.left == 0 && !p.dead {
		p.dead = true
		close(p.died)
	}
	if p.left > 0 {
		p.left--
	}
	dead := p.dead
	p.mu.Unlock()
	if dead {
		<-p.buried
		return errBuried
	}
	return nil
}

// leave is called after an operation.
func (p *process) leave() {
	p.mu.Lock()
	dead := p.dead
	p.mu.Unlock()
	if dead {
		<-p.buried
	}
}

func (p *process) dieAfter(n int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if !p.dead {
		p.left = n
	}
}

// bury ends the goroutines of a process that was killed.
func (p *process) bury() {
	close(p.buried)
	kill(p.c)
}

// target is where the process sees its dest.
type processTarget struct {
	inner dest.Target
	p     *process
}

func (t *processTarget) Name() string { return t.inner.Name() }
func (t *processTarget) Create(fill func(dest.Dest) error) error {
	return t.inner.Create(func(d dest.Dest) error { return fill(&processDest{d, t.p}) })
}

func (t *processTarget) Open() (dest.Dest, error) {
	d, err := t.inner.Open()
	if err != nil {
		return nil, err
	}
	return &processDest{d, t.p}, nil
}

type processDest struct {
	dest.Dest
	p *process
}

func (d *processDest) Unwrap() dest.Dest { return d.Dest }

func (d *processDest) do(call func() error) error {
	if err := d.p.step(); err != nil {
		return err
	}
	defer d.p.leave()
	runtime.Gosched() // for others, between a look and what is done then
	return call()
}

func (d *processDest) ReadAt(b []byte, off int64) (n int, err error) {
	err = d.do(func() error { n, err = d.Dest.ReadAt(b, off); return err })
	return n, err
}

func (d *processDest) WriteAt(b []byte, off int64) (n int, err error) {
	err = d.do(func() error { n, err = d.Dest.WriteAt(b, off); return err })
	return n, err
}

func (d *processDest) Truncate(size int64) error {
	return d.do(func() error { return d.Dest.Truncate(size) })
}
func (d *processDest) Sync() error { return d.do(d.Dest.Sync) }

// processStore is where the process sees the state file.
type processStore struct {
	state.Store
	p     *process
	files []state.File // open, to be closed for the dead
}

func (s *processStore) Open() (state.File, error) {
	f, err := s.Store.Open()
	if err != nil {
		return nil, err
	}
	s.files = append(s.files, f)
	return &processFile{f, s.p}, nil
}

func (s *processStore) Remove() error {
	if err := s.p.step(); err != nil {
		return err
	}
	defer s.p.leave()
	return s.Store.Remove()
}

type processFile struct {
	state.File
	p *process
}

func (f *processFile) do(call func() error) error {
	if err := f.p.step(); err != nil {
		return err
	}
	defer f.p.leave()
	return call()
}

func (f *processFile) ReadAt(b []byte, off int64) (n int, err error) {
	err = f.do(func() error { n, err = f.File.ReadAt(b, off); return err })
	return n, err
}

func (f *processFile) WriteAt(b []byte, off int64) (n int, err error) {
	err = f.do(func() error { n, err = f.File.WriteAt(b, off); return err })
	return n, err
}

func (f *processFile) WriteSync(b []byte, off int64) error {
	return f.do(func() error { return f.File.WriteSync(b, off) })
}
func (f *processFile) Sync() error { return f.do(f.File.Sync) }

func (f *processFile) TryLock(off, n int64, exclusive bool) (ok bool, err error) {
	err = f.do(func() error { ok, err = f.File.TryLock(off, n, exclusive); return err })
	return ok, err
}

func (f *processFile) Unlock(off, n int64) error {
	return f.do(func() error { return f.File.Unlock(off, n) })
}
