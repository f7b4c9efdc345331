package main

/*
#include "linked.h"
*/
import "C"

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"syscall"
	"time"

	"hydrant/clone"
	"hydrant/clone/state"
	"hydrant/internal/sqlitefile"
	"hydrant/source"
	"hydrant/source/file"
	"hydrant/source/scheme"
)

// With HYDRANT_SUITE=clone a main database that is opened, exists, and is used by nobody, becomes a
// clone of itself: the file is moved away and is the source, and of the clone at its place about
// half of the pages, by chance, are there. When the last connection is closed the rest is fetched,
// and it is a plain file again: a test that looks at the file of a database which it has closed
// sees what it would see without us. What it deletes or replaces behind our back, it means.
//
// Hydration is off in every other clone; of the rest, half have a slow one. With
// HYDRANT_SUITE_HYDRATE=off it is off in all of them.

// one is held by whoever opens or closes a database, in this process and, with the lock file, in
// all that work in one folder.
var one struct {
	mu    sync.Mutex // guards the rest
	lock  *os.File
	users map[string]int // open main databases of this process, by path
	rnd   *rand.Rand
	made  int
}

var cloning = os.Getenv("HYDRANT_SUITE") == "clone"

func lockOne() {
	one.mu.Lock()
	if one.users == nil {
		seed, _ := strconv.ParseUint(os.Getenv("HYDRANT_SUITE_SEED"), 10, 64)
		one.rnd = rand.New(rand.NewPCG(seed, 0))
		one.users = map[string]int{}
		if f, err := os.OpenFile(filepath.Join(folder(), "lock"), os.O_CREATE|os.O_RDWR, 0o644); err == nil {
			one.lock = f
		} else {
			complain(err)
		}
	}
	if one.lock != nil {
		complain(syscall.Flock(int(one.lock.Fd()), syscall.LOCK_EX))
	}
}

func unlockOne() {
	if one.lock != nil {
		complain(syscall.Flock(int(one.lock.Fd()), syscall.LOCK_UN))
	}
	one.mu.Unlock()
}

// folder is where sources are, away from what tests look at.
func folder() string {
	if dir := os.Getenv("HYDRANT_SUITE_DIR"); dir != "" {
		return dir
	}
	return os.TempDir()
}

// count notes what happened to a clone, a line for each, for the runner: that it was made; that it
// is about to be turned back, and cold pages of it were read.
func count(what string) error {
	f, err := os.OpenFile(filepath.Join(folder(), "clones"), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintln(f, what)
	return errors.Join(err, f.Close())
}

func complain(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "vfslib:", err)
	}
}

// hydrantSuiteCloning tells whether databases are to become clones.
//
//export hydrantSuiteCloning
func hydrantSuiteCloning() C.int {
	if cloning {
		return 1
	}
	return 0
}

// hydrantSuiteOpening is called before a main database is opened, and hydrantSuiteOpened after,
// whatever came of it. In between nobody else opens or closes one.
//
//export hydrantSuiteOpening
func hydrantSuiteOpening(zPath *C.char) {
	lockOne()
	path := C.GoString(zPath)
	if one.users[path] == 0 {
		complain(turn(path))
	}
}

//export hydrantSuiteOpened
func hydrantSuiteOpened(zPath *C.char, ok C.int) {
	if ok != 0 {
		one.users[C.GoString(zPath)]++
	}
	unlockOne()
}

// hydrantSuiteClosed is called after one was closed.
//
//export hydrantSuiteClosed
func hydrantSuiteClosed(zPath *C.char) {
	lockOne()
	defer unlockOne()
	path := C.GoString(zPath)
	if one.users[path]--; one.users[path] == 0 {
		delete(one.users, path)
		complain(turnBack(path))
	}
}

// turn makes the file at path a clone, if it is what can become one.
func turn(path string) error {
	if left(path) {
		return nil
	}
	st, err := os.Lstat(path)
	if err != nil || !st.Mode().IsRegular() || st.Mode().Perm()&0o200 == 0 || st.Size() < 512 || st.Size() > 64<<20 {
		return nil
	}
	sys := st.Sys().(*syscall.Stat_t)
	if sys.Nlink != 1 || isOpenHere(sys) || hasSideFile(path) || !alone(path) {
		return nil
	}
	one.made++
	src := filepath.Join(folder(), fmt.Sprintf("source-%d-%d", os.Getpid(), one.made))
	if err := os.Rename(path, src); err != nil {
		return nil // another file system
	}
	if err := makeClone(path, src, st.Mode().Perm()); err != nil {
		return errors.Join(fmt.Errorf("clone %s: %w", path, err), remove(path), os.Rename(src, path))
	}
	return count("made")
}

// makeClone makes the clone. What is local of it was written: the source's own bytes.
func makeClone(path, src string, mode fs.FileMode) error {
	b, err := os.ReadFile(src)
	if err != nil {
		return err
	}
	f, err := file.Open(src)
	if err != nil {
		return err
	}
	from := &short{f}
	on, rate := one.rnd.IntN(2) == 0 && os.Getenv("HYDRANT_SUITE_HYDRATE") != "off", int64(0)
	if one.rnd.IntN(2) == 0 {
		rate = 4e3
	}
	ctx := context.Background()
	page := sqlitefile.PageSize(b)
	c, err := clone.OpenPath(ctx, from, path, &clone.Options{
		RegionSize: page, NoBackground: true, Mode: mode,
		Knobs: clone.Knobs{Hydration: &on, Bandwidth: &rate},
	})
	if err != nil {
		return err
	}
	if page == 0 {
		page = clone.DefaultRegionSize
	}
	for off := int64(0); off < int64(len(b)) && err == nil; off += page {
		if one.rnd.IntN(2) == 0 {
			_, err = c.WriteAt(ctx, b[off:min(off+page, int64(len(b)))], off)
		}
	}
	return errors.Join(err, c.Close())
}

// short is a source that sends with its identity no more than a database's header: what a clone is
// made with is kept, and nothing of a small database would be cold.
type short struct{ src source.Source }

func (s *short) URL() string { return s.src.URL() }

func (s *short) Identify(ctx context.Context, n int64) (source.Identity, []byte, error) {
	return s.src.Identify(ctx, min(n, sqlitefile.HeaderSize))
}

func (s *short) ReadRange(ctx context.Context, id source.Identity, off, n int64) (io.ReadCloser, error) {
	return s.src.ReadRange(ctx, id, off, n)
}

func (s *short) Close() error { return s.src.Close() }

// turnBack makes the clone at path, which this process has closed, a plain file, unless another
// process has it open.
func turnBack(path string) error {
	if !left(path) {
		return nil
	}
	f, err := state.PathStore(path, 0).Open()
	if err != nil {
		return err
	}
	last, err := f.TryLock(state.LockAttach, 1, true)
	if err = errors.Join(err, f.Close()); err != nil || !last {
		return err
	}
	ctx, stop := context.WithTimeout(context.Background(), 20*time.Second)
	defer stop()
	src := ""
	on := true
	c, err := clone.OpenPath(ctx, nil, path, &clone.Options{
		Knobs: clone.Knobs{Hydration: &on},
		OpenSource: func(ctx context.Context, url string) (source.Source, error) {
			s, err := scheme.Open(ctx, url, scheme.Options{})
			if l, ok := source.As[source.Localer](s); ok {
				src = l.LocalPath()
			}
			return s, err
		},
	})
	if errors.Is(err, clone.ErrPlain) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("turn %s back: %w", path, err)
	}
	if c.Status().Requests > 0 {
		complain(count("read"))
	}
	err = c.Hydrate(ctx, 0, c.Status().Size)
	if err = errors.Join(err, c.Close()); err != nil {
		return fmt.Errorf("turn %s back: %w", path, err)
	}
	if filepath.Dir(src) == folder() {
		return os.Remove(src)
	}
	return nil
}

// left tells whether the clone that the state file beside path speaks of is there. When a test has
// deleted or replaced the database it is not, and what is left of it goes the same way.
func left(path string) bool {
	if _, err := os.Lstat(path + state.Suffix); err != nil {
		return false
	}
	st, err := os.Lstat(path)
	if err == nil && isOpenHere(st.Sys().(*syscall.Stat_t)) {
		return true
	}
	if b, err := front(path); err == nil && (bytes.HasPrefix(b, []byte("hydrant\n")) || past(path)) {
		return true
	}
	complain(removeState(path))
	return false
}

// past tells whether the clone at path is, or is about to be, complete: then it has no guard.
func past(path string) bool {
	f, err := state.PathStore(path, 0).OpenReadOnly()
	if err != nil {
		return false
	}
	sb, err := state.ReadSuperblock(f)
	complain(f.Close())
	return err == nil && sb.Phase > state.Live
}

func front(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	b := [8]byte{}
	_, err = f.ReadAt(b[:], 0)
	return b[:], errors.Join(err, f.Close())
}

func removeState(path string) error {
	var errs []error
	for _, name := range []string{path + state.Suffix, clone.PrivateName(path, "-wal"), clone.PrivateName(path, "-journal")} {
		if err := os.Remove(name); err != nil && !errors.Is(err, fs.ErrNotExist) {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

// remove takes away what a failed makeClone left.
func remove(path string) error {
	if err := os.Remove(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return removeState(path)
}

func hasSideFile(path string) bool {
	for _, suffix := range []string{"-wal", "-journal", "-hydrant-wal", "-hydrant-journal"} {
		if _, err := os.Lstat(path + suffix); err == nil {
			return true
		}
	}
	return false
}

// isOpenHere tells whether this process has the file open, by whatever name: then closing another
// descriptor of it would drop the locks that SQLite holds there.
func isOpenHere(st *syscall.Stat_t) bool {
	fds, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		return true
	}
	for _, e := range fds {
		var other syscall.Stat_t
		if syscall.Stat("/proc/self/fd/"+e.Name(), &other) == nil && other.Dev == st.Dev && other.Ino == st.Ino {
			return true
		}
	}
	return false
}

// alone tells whether nobody has the file open: only then is a write lease to be had.
func alone(path string) bool {
	f, err := os.OpenFile(path, os.O_RDWR|syscall.O_NONBLOCK, 0)
	if err != nil {
		return false
	}
	const setLease = 1024
	_, _, errno := syscall.Syscall(syscall.SYS_FCNTL, f.Fd(), setLease, syscall.F_WRLCK)
	complain(f.Close())
	return errno == 0
}
