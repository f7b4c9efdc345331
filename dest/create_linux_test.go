package dest

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// creation is what the tests make, in two operations.
const creation = "guard and more"

func fillCreation(d Dest) error {
	if _, err := d.WriteAt([]byte(creation[:5]), 0); err != nil {
		return err
	}
	_, err := d.WriteAt([]byte(creation[5:]), 5)
	return errors.Join(err, d.Sync())
}

// createEnv says "step path": the test binary, run as another process, makes a file and kills
// itself when it has come so far.
const createEnv = "HYDRANT_TEST_CREATE"

var createSteps = []string{"made", "written", "filled", "linked", "named"}

func createAndDie(told string) error {
	step, path, _ := strings.Cut(told, " ")
	t := File(path).(*fileTarget)
	die := func(at string) {
		if at == step {
			_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
			select {}
		}
	}
	t.step = die
	return t.Create(func(d Dest) error {
		if _, err := d.WriteAt([]byte(creation[:5]), 0); err != nil {
			return err
		}
		die("written")
		return fillCreation(d)
	})
}

// Whenever its maker is killed, a file is not there or whole. The next maker takes away what the
// killed one has left, and the file has one name then.
func TestKilledMaker(t *testing.T) {
	for i, step := range createSteps {
		path := filepath.Join(t.TempDir(), "a[b]*.db")
		out, err := another(createEnv + "=" + step + " " + path).CombinedOutput()
		if err == nil || !strings.Contains(err.Error(), "killed") {
			t.Fatalf("%s: %v, %s", step, err, out)
		}
		got, err := os.ReadFile(path)
		if made := i >= slices.Index(createSteps, "linked"); made && string(got) != creation || !made && !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%s: %q, %v", step, got, err)
		} else if two := len(names(t, path)) == 2; made && two != (step == "linked") {
			t.Errorf("%s: names %q", step, names(t, path))
		}
		for range 2 {
			err = File(path).Create(fillCreation)
			if err != nil && !errors.Is(err, fs.ErrExist) {
				t.Fatalf("%s: %v", step, err)
			}
			if got, err := os.ReadFile(path); err != nil || string(got) != creation {
				t.Errorf("%s: then %q, %v", step, got, err)
			}
			if all := names(t, path); len(all) != 1 {
				t.Errorf("%s: names %q", step, all)
			}
		}
		info, err := os.Stat(path)
		if err != nil || info.Sys().(*syscall.Stat_t).Nlink != 1 {
			t.Errorf("%s: %v, %v", step, info, err)
		}
	}
}

func names(t *testing.T, path string) (all []string) {
	t.Helper()
	entries, err := os.ReadDir(filepath.Dir(path))
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		all = append(all, e.Name())
	}
	return all
}

// What a maker has left goes, and nothing of another name; what somebody is at stays, and is not
// locked once it has its name, though SQLite's locks keep its descriptor open.
func TestSweepersLeaveMakersAlone(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "app.db")
	keep := []string{"app.db-hydrant", "app.db-hydrant.3.new", "app.db-hydrant.d.old", "aapp.db-hydrant.d5.new", "app.db-wal"}
	for _, name := range append(slices.Clone(keep), "app.db-hydrant.d5.new") {
		if err := os.WriteFile(filepath.Join(dir, name), nil, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	var sqlite int
	err := File(path).Create(func(d Dest) error {
		(&fileTarget{path: path}).sweep()
		if all := names(t, path); len(all) != len(keep)+1 || slices.Contains(all, "app.db") {
			t.Errorf("names %q", all)
		}
		// Another makes it meanwhile, and SQLite has it open.
		if err := File(path).Create(fillCreation); err != nil {
			t.Error(err)
		}
		var err error
		if sqlite, err = unix.Open(path, unix.O_RDWR|unix.O_CLOEXEC, 0); err == nil {
			err = setLock(sqlite, unix.F_WRLCK)
		}
		return err
	})
	if !errors.Is(err, fs.ErrExist) {
		t.Errorf("Create: %v", err)
	}
	wantLock(t, path, "refused")
	if all := names(t, path); len(all) != len(keep)+1 {
		t.Errorf("names %q", all)
	}
	if err := unix.Close(sqlite); err != nil {
		t.Fatal(err)
	}
	graves.sweep()
}

// A maker's descriptor that has to stay open, since SQLite has locked the file meanwhile, does not keep
// others from closing theirs.
func TestMakerLetsGo(t *testing.T) {
	dir, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "app.db")
	target := File(path).(*fileTarget)
	var sqlite int
	target.step = func(step string) {
		if step != "linked" {
			return
		}
		if sqlite, err = unix.Open(path, unix.O_RDWR|unix.O_CLOEXEC, 0); err == nil {
			err = setLock(sqlite, unix.F_WRLCK)
		}
		if err != nil {
			t.Error(err)
		}
	}
	if err := target.Create(fillCreation); err != nil {
		t.Fatal(err)
	}
	wantLock(t, path, "refused")
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	parked := func() int {
		graves.mu.Lock()
		defer graves.mu.Unlock()
		return len(graves.parked[inodeOf(info)])
	}
	if n := parked(); n != 1 {
		t.Errorf("%d descriptors are parked, want the maker's", n)
	}
	if err := setLock(sqlite, unix.F_UNLCK); err != nil {
		t.Error(err)
	}
	fd, err := unix.Open(path, unix.O_RDWR|unix.O_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	if closed, err := closeUnlocked(fd); !closed || err != nil {
		t.Errorf("another's descriptor is closed: %v, %v", closed, err)
	}
	if err := unix.Close(sqlite); err != nil {
		t.Error(err)
	}
	if graves.sweep(); parked() != 0 {
		t.Error("it stays parked")
	}
}

// Sweepers and makers at the same time: one maker wins, nobody else sees less than what it made, and
// nothing is left.
func TestSweepersAndMakersMeet(t *testing.T) {
	for range 50 {
		path := filepath.Join(t.TempDir(), "app.db")
		var all sync.WaitGroup
		var mu sync.Mutex
		won := 0
		for range 4 {
			all.Go(func() {
				err := File(path).Create(fillCreation)
				mu.Lock()
				defer mu.Unlock()
				if err == nil {
					won++
				} else if !errors.Is(err, fs.ErrExist) {
					t.Error(err)
				}
			})
			all.Go(func() {
				(&fileTarget{path: path}).sweep()
				if got, err := os.ReadFile(path); err == nil && string(got) != creation {
					t.Errorf("it is %q", got)
				}
			})
		}
		all.Wait()
		if left := names(t, path); len(left) != 1 || won != 1 {
			t.Fatalf("%d won, left: %q", won, left)
		}
	}
}

// Where there are no hard links the file is renamed, unless something is there.
func TestMove(t *testing.T) {
	dir := t.TempDir()
	one, two := filepath.Join(dir, "one"), filepath.Join(dir, "two")
	for _, name := range []string{one, two} {
		if err := os.WriteFile(name, []byte(name), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if err := move(one, two); err != unix.EEXIST {
		t.Errorf("onto another: %v", err)
	}
	if err := move(one, filepath.Join(dir, "three")); err != nil {
		t.Error(err)
	}
	if all := fmt.Sprint(names(t, one)); all != "[three two]" {
		t.Errorf("names %s", all)
	}
}
