package shim

/*
#include "hydrantvfs.h"
*/
import "C"

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"iter"
	"os"
	"time"

	"hydrant/clone"
	"hydrant/clone/state"
	"hydrant/internal/sqlitefile"
	"hydrant/sqlitevfs/advise"
)

// request is a main database that is to be opened.
type request struct {
	vfs    string
	path   string // absolute, symbolic links resolved: SQLite has seen to that
	params iter.Seq2[string, string]
	guard  bool // it was taken for a plain database, and begins with a guard
}

// decision is what it is.
type decision struct {
	kind    C.int // HYDRANT_PLAIN and so on
	engine  *engine
	private bool
	err     error // of a stub
}

func stub(path string, err error) decision {
	err = fmt.Errorf("open %s: %w", path, err)
	if text := line(err); processError.set(text) {
		logLine(C.SQLITE_CANTOPEN, text)
	}
	return decision{kind: C.HYDRANT_STUB, err: err}
}

// decide says what the database at a path is:
//
//	state file   source=   dest      it is
//	yes          any       any       a clone: attach
//	no           no        guarded   a stub: half a clone
//	no           no        any       plain
//	no           yes       none      a clone: make it
//	no           yes       plain     plain, and a line in the log
//	no           yes       empty     a stub: it may be what a mistake left
//
// What the parameters get wrong counts where they are ours: on a clone, and with source=.
func (v *vfs) decide(r request) decision {
	p := parseURI(r.params)
	if p.engine != 0 {
		return ours(r.path, p.engine)
	}
	if p.source == "" {
		p.source = envSource(r.path, os.Getenv)
	}
	isClone, err := exists(r.path + state.Suffix)
	switch {
	case err != nil:
		return stub(r.path, err)
	case p.unsupported != nil:
		return stub(r.path, p.unsupported)
	case p.source == "" && !isClone && engines.find(r.path) == nil && !p.memory:
		if r.guard {
			return stub(r.path, orphan(r.path))
		}
		return decision{kind: C.HYDRANT_PLAIN}
	}
	p.parseEnv(r.params, os.Getenv)
	if err := errors.Join(p.unsupported, p.wrong); err != nil {
		return stub(r.path, err)
	}
	switch {
	case p.memory:
		return v.join(r, p, C.HYDRANT_MEMORY, v.openMemory)
	case isClone || engines.find(r.path) != nil:
		return v.decideClone(r, p)
	case r.guard:
		return stub(r.path, orphan(r.path))
	}
	return v.decideNew(r, p)
}

func orphan(path string) error {
	return fmt.Errorf("%w %s: put that back, or delete both and clone again", clone.ErrOrphan, path+state.Suffix)
}

// decideNew is for a path with source= and without a state file.
func (v *vfs) decideNew(r request, p *params) decision {
	st, err := os.Stat(r.path)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return v.decideClone(r, p)
	case err != nil:
		return stub(r.path, err)
	case st.Size() == 0:
		return stub(r.path, fmt.Errorf("is an empty file, and source=%s was given: delete it to clone that", p.source))
	}
	logLine(C.SQLITE_WARNING, line(fmt.Errorf("open %s: exists and is not a clone: source= is ignored", r.path)))
	return decision{kind: C.HYDRANT_PLAIN}
}

// decideClone opens the clone at a path, or joins those here who have it open.
func (v *vfs) decideClone(r request, p *params) decision {
	d := v.join(r, p, C.HYDRANT_CLONE, v.openClone)
	if errors.Is(d.err, clone.ErrPlain) {
		// Somebody made a plain file there just now, or it was complete and is one from now on.
		return decision{kind: C.HYDRANT_PLAIN}
	}
	return d
}

// join makes a decision of kind for a database that is open here, or that open opens.
func (v *vfs) join(r request, p *params, kind C.int, open func(request, *params) (*engine, error)) decision {
	e, err := engines.acquire(r.path, func() (*engine, error) { return open(r, p) })
	if err != nil {
		return stub(r.path, err)
	}
	if err := errors.Join(e.still(r.path), v.fits(e, p)); err != nil {
		engines.release(e)
		return stub(r.path, err)
	}
	return decision{kind: kind, engine: e}
}

// still tells why what is at path now is not the file that the engine has open.
func (e *engine) still(path string) error {
	if e.clone == nil {
		return nil
	}
	same, err := e.clone.Owns(path)
	if err == nil && !same {
		err = errors.New("was replaced while this process had it open; close all its connections first")
	}
	return err
}

// fits tells why this database, which is open, is not what was asked for.
func (v *vfs) fits(e *engine, p *params) error {
	if p.immutable && e.clone != nil && e.clone.Guarded() {
		return errors.New("immutable=1 on an incomplete clone: its file changes as it is hydrated; leave immutable out")
	}
	if p.memory != (e.clone == nil) {
		return errors.New("is open in this process with another dest=")
	}
	if p.source == "" || p.source == e.source {
		return nil
	}
	src, err := v.openGiven(context.Background(), p.source)
	if err != nil {
		return err
	}
	url, of := src.URL(), e.blob.Status().Source
	if err := src.Close(); err != nil {
		return err
	}
	if url != of {
		return fmt.Errorf("%w: it is of %s, and %s was asked for", clone.ErrOtherSource, of, url)
	}
	return nil
}

// openClone attaches to the clone at a path, or makes it.
func (v *vfs) openClone(r request, p *params) (*engine, error) {
	// The source has its own timeout in the making of a clone; this is for everything around it.
	ctx, stop := context.WithTimeout(context.Background(), p.timeout()+10*time.Second)
	defer stop()
	e := newEngine(r, p)
	opts := &clone.Options{
		RegionSize:   p.regionSize,
		ChooseRegion: func(head []byte, _ int64) int64 { return sqlitefile.PageSize(head) },
		Advisor:      advise.New(),
		Knobs:        p.knobs,
		OpenSource:   v.openSource,
		Quiesce:      e.quiesce,
		WrapDest:     v.opts.WrapDest,
		NoTrace:      v.opts.NoTrace,
	}
	e.noTrace = v.opts.NoTrace
	if p.trustBoot {
		opts.Trust = state.TrustBoot
	}
	if v.opts.OnEvent != nil {
		opts.OnEvent = func(ev clone.Event) { v.opts.OnEvent(r.path, ev) }
	}
	src, err := v.sourceFor(ctx, p.source, r.path)
	if err != nil {
		return nil, err
	}
	e.clone, err = clone.OpenPath(ctx, src, r.path, opts)
	if err != nil {
		return nil, err
	}
	e.blob = e.clone
	if err := e.share(); err != nil {
		return nil, errors.Join(err, e.clone.Close())
	}
	e.sayReadOnly()
	return e, nil
}

// ours is for a connection of our own to an open clone. It is not counted as a user.
func ours(path string, id uint64) decision {
	e := engines.find(path)
	if e == nil || e.id != id {
		return stub(path, fmt.Errorf("parameter %s is for internal use", engineKey))
	}
	return decision{kind: C.HYDRANT_CLONE, engine: e, private: true}
}
