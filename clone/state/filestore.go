package state

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
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
		err = errors.New("not a regular file")
	}
	if err != nil {
		return nil, errors.Join(err, f.Close())
	}
	return &osFile{f: f, path: s.path}, nil
}

// Create implements Store: the file is made under a temporary name, and linked to its own when it
// is whole. link(2), unlike rename(2), fails when another process was first.
func (s *FileStore) Create(fill func(File) error) error {
	dir := filepath.Dir(s.path)
	f, err := os.CreateTemp(dir, filepath.Base(s.path)+".*.new")
	if err != nil {
		return err
	}
	of := &osFile{f: f, path: f.Name()}
	err = f.Chmod(s.mode)
	if err == nil {
		err = fill(of)
	}
	if err == nil {
		err = of.Sync()
	}
	if err == nil {
		err = os.Link(f.Name(), s.path)
	}
	err = errors.Join(err, os.Remove(f.Name()), of.Close())
	if err == nil {
		err = SyncDir(dir)
	}
	return err
}

// Remove implements Store.
func (s *FileStore) Remove() error {
	if err := os.Remove(s.path); err != nil {
		return err
	}
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
