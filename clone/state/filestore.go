package state

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"
)

// FileStore is the state file of the destination at path: path + Suffix, with dest's mode.
type FileStore struct {
	path string
	mode fs.FileMode
}

// Suffix is what a state file's name has that its destination's has not.
const Suffix = "-hydrant"

// PathStore returns the store beside the destination at the absolute path dest. mode is what the
// destination has or will have: SQLite gives its side files the mode of what it takes for their
// database, and with a guard in place that is the state file.
func PathStore(dest string, mode fs.FileMode) *FileStore {
	return &FileStore{path: dest + Suffix, mode: mode}
}

// Name implements Store.
func (s *FileStore) Name() string { return s.path }

// Open implements Store.
func (s *FileStore) Open() (File, error) {
	f, err := os.OpenFile(s.path, os.O_RDWR, 0)
	if err != nil {
		return nil, err
	}
	return s.opened(f)
}

// OpenReadOnly opens the file for looking at it.
func (s *FileStore) OpenReadOnly() (File, error) {
	f, err := os.Open(s.path)
	if err != nil {
		return nil, err
	}
	return s.opened(f)
}

func (s *FileStore) opened(f *os.File) (File, error) {
	st, err := f.Stat()
	if err == nil && !st.Mode().IsRegular() {
		err = &fs.PathError{Op: "open", Path: s.path, Err: errors.New("not a regular file")}
	}
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return &osFile{f: f, path: s.path}, nil
}

// Create implements Store: the file is made under a temporary name, and linked to its own when it
// is whole. link(2), unlike rename(2), fails when another process was first.
func (s *FileStore) Create(fill func(File) error) error {
	return s.make(s.mode, fill, func(f *os.File) error {
		if err := os.Link(f.Name(), s.path); err != nil {
			return err
		}
		return os.Remove(f.Name())
	})
}

// Replace implements Replacer.
func (s *FileStore) Replace(fill func(File) error) error {
	old, err := os.Stat(s.path)
	if err != nil {
		return err
	}
	return s.make(old.Mode().Perm(), fill, func(f *os.File) error {
		if err := sameOwner(f, old); err != nil {
			return err
		}
		return os.Rename(f.Name(), s.path)
	})
}

// make makes a file under a temporary name, fills it, makes it durable, and lets publish give it
// its own name. The lock on it tells sweepers that somebody is at it.
func (s *FileStore) make(mode fs.FileMode, fill func(File) error, publish func(*os.File) error) error {
	s.Sweep()
	of, err := s.temporary()
	if err != nil {
		return err
	}
	f := of.f
	err = f.Chmod(mode)
	if err == nil {
		overwriteInPlace(f)
		err = fill(of)
	}
	if err == nil {
		err = of.Sync()
	}
	if err == nil {
		err = publish(f)
	}
	if err != nil { // and the name is still there, and this one's: by now it is locked
		if rerr := os.Remove(f.Name()); !errors.Is(rerr, fs.ErrNotExist) {
			err = errors.Join(err, rerr)
		}
	}
	if err = errors.Join(err, of.Close()); err == nil {
		err = SyncDir(filepath.Dir(s.path))
	}
	return err
}

// temporary makes an empty file under a name of its own, and locks it. A sweeper may have come in
// between: then it makes another.
func (s *FileStore) temporary() (*osFile, error) {
	for begun := time.Now(); ; time.Sleep(time.Millisecond) {
		for slot := range makers {
			of, err := s.temporaryAt(s.newName(slot))
			if of != nil || err != nil {
				return of, err
			}
		}
		if time.Since(begun) > makersPatience {
			return nil, fmt.Errorf("%d others are making it", makers)
		}
	}
}

// temporaryAt returns nil when somebody else has that name.
func (s *FileStore) temporaryAt(name string) (*osFile, error) {
	f, err := os.OpenFile(name, os.O_RDWR|os.O_CREATE|os.O_EXCL, 0o600)
	if errors.Is(err, fs.ErrExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	of := &osFile{f: f, path: name}
	ok, err := of.TryLock(LockMaking, 1, true)
	if err == nil && ok {
		ok, err = of.Current()
	}
	if err == nil && ok {
		return of, nil
	}
	if err = errors.Join(err, of.Close()); err != nil {
		return nil, errors.Join(err, os.Remove(name))
	}
	return nil, nil
}

const (
	newSuffix = ".new"
	// makers is how many may be making the file at one time. Few names to look for are what keeps
	// sweeping from reading a folder with thousands of clones.
	makers = 8
	// makersPatience is how long the next one waits.
	makersPatience = 10 * time.Second
)

// newName is one of the names under which the file is made. With a digit: what begins otherwise is
// being made by others, see dest.
func (s *FileStore) newName(slot int) string { return fmt.Sprintf("%s.%d%s", s.path, slot, newSuffix) }

// Sweep takes away what processes that died have left of making the file. What somebody is at is
// locked. It is no matter of concern when something cannot be taken away.
func (s *FileStore) Sweep() {
	for slot := range makers {
		name := s.newName(slot)
		if info, err := os.Lstat(name); err != nil || !info.Mode().IsRegular() {
			continue // there is none, or none of ours
		}
		f, err := os.OpenFile(name, os.O_RDWR, 0)
		if err != nil {
			continue
		}
		of := &osFile{f: f, path: name}
		ok, err := of.TryLock(LockMaking, 1, true)
		if ok && err == nil {
			ok, err = of.Current() // nobody takes the name away from a file that is locked
		}
		if ok && err == nil {
			_ = os.Remove(name)
		}
		_ = of.Close()
	}
}

// Remove implements Store.
func (s *FileStore) Remove() error {
	if err := os.Remove(s.path); err != nil {
		return err
	}
	s.Sweep()
	return SyncDir(filepath.Dir(s.path))
}

// SyncDir makes the names in dir durable.
func SyncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	err = d.Sync()
	return errors.Join(err, d.Close())
}
