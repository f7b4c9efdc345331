package dest

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"time"
)

// What is being made lies beside its destination, as path + newPrefix + a number + newSuffix: one
// of the DEST-hydrant.*.new, of which those of the state file go on with a digit.
const (
	newPrefix = "-hydrant.d"
	newSuffix = ".new"
	// makers is how many may be making the file at one time. Few names to look for are what keeps
	// sweeping from reading a folder with thousands of clones.
	makers = 8
	// makersPatience is how long the next one waits.
	makersPatience = 10 * time.Second
)

// Create makes the file under a name of its own, and links it to the target's when it is whole: a
// file that were made in its place would lie there empty for a moment, or for good when its maker
// is killed, and an empty file is an empty database to SQLite. link(2), unlike rename(2), fails when
// something is there.
//
// A maker that is killed leaves the other name behind, perhaps as a second one of the whole file.
// Create begins by sweeping such names, so that the file has one when it returns, durably.
func (t *fileTarget) Create(fill func(Dest) error) error {
	t.sweep()
	linked, err := false, pathError("create", t.path, syscall.EEXIST)
	if _, lerr := os.Lstat(t.path); lerr != nil {
		linked, err = t.make(fill)
	}
	// Also when it was there: who made it may have died just now.
	if err == nil || errors.Is(err, fs.ErrExist) {
		if serr := syncDir(filepath.Dir(t.path)); serr != nil {
			err = serr
		}
	}
	if err != nil && linked {
		err = errors.Join(err, os.Remove(t.path))
	}
	return err
}

// make does it, but for making the names durable. linked tells whether the file has its name.
func (t *fileTarget) make(fill func(Dest) error) (linked bool, err error) {
	for range makers {
		// A sweeper who took the name for the second one of the file that is there may have been late,
		// and taken away the next one's.
		if linked, err = t.makeOnce(fill); linked || !errors.Is(err, fs.ErrNotExist) {
			break
		}
	}
	return linked, err
}

func (t *fileTarget) makeOnce(fill func(Dest) error) (linked bool, err error) {
	f, name, err := t.temporary()
	if err != nil {
		return false, pathError("create", t.path, cause(err))
	}
	t.reach("made")
	if err = fill(f); err == nil {
		t.reach("filled")
		err = t.publish(name)
	}
	linked = err == nil
	if rerr := os.Remove(name); rerr != nil && !errors.Is(rerr, fs.ErrNotExist) {
		err = errors.Join(err, rerr)
	}
	t.reach("named")
	f.release()
	return linked, errors.Join(err, f.Close())
}

// publish gives the file at name its own name too, or instead: a file system may have no hard
// links. Then it is renamed, by the one call that fails when something is there.
func (t *fileTarget) publish(name string) error {
	err := cause(os.Link(name, t.path))
	if errors.Is(err, syscall.EPERM) || errors.Is(err, errors.ErrUnsupported) {
		err = move(name, t.path)
	}
	if err != nil {
		return pathError("create", t.path, err)
	}
	t.reach("linked")
	return nil
}

// temporary makes an empty file under a name of its own, and holds it. A sweeper may have come in
// between: then it makes another.
func (t *fileTarget) temporary() (*file, string, error) {
	for begun := time.Now(); ; time.Sleep(time.Millisecond) {
		for slot := range makers {
			name := t.newName(slot)
			f, err := t.newFile(name)
			if errors.Is(err, fs.ErrExist) {
				continue
			}
			if err != nil {
				return nil, "", err
			}
			if f.hold(name) {
				return f, name, nil
			}
			// The sweeper takes it away; by now the name may be another's.
			if err := f.Close(); err != nil {
				return nil, "", err
			}
		}
		if time.Since(begun) > makersPatience {
			return nil, "", fmt.Errorf("%d others are making it", makers)
		}
	}
}

// newName is one of the names under which the file is made.
func (t *fileTarget) newName(slot int) string {
	return fmt.Sprintf("%s%s%d%s", t.path, newPrefix, slot, newSuffix)
}

// sweep takes away what makers that died have left. A second name of the file itself has served;
// any other is left alone while its maker holds it. It is no matter of concern when something
// cannot be taken away.
func (t *fileTarget) sweep() {
	for slot := range makers {
		name := t.newName(slot)
		info, err := os.Lstat(name)
		if err != nil || !info.Mode().IsRegular() {
			continue // there is none, or none of ours
		}
		if is, err := os.Lstat(t.path); err == nil && os.SameFile(is, info) {
			_ = os.Remove(name)
		} else {
			removeAbandoned(name)
		}
	}
}

// reach tells a test how far a creation has come.
func (t *fileTarget) reach(step string) {
	if t.step != nil {
		t.step(step)
	}
}

// cause takes the operation and the names off an error of package os.
func cause(err error) error {
	if e, ok := errors.AsType[*os.LinkError](err); ok {
		return e.Err
	}
	if e, ok := errors.AsType[*os.PathError](err); ok {
		return e.Err
	}
	return err
}
