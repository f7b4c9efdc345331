package dest

import (
	"bufio"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"

	"golang.org/x/sys/unix"
)

// lockEnv names a file that the test binary, run as another process, tries to lock, and keeps
// locked until its input ends.
const lockEnv = "HYDRANT_TEST_LOCK"

func TestMain(m *testing.M) {
	if path := os.Getenv(lockEnv); path != "" {
		fmt.Println(tryLock(path))
		_, _ = io.Copy(io.Discard, os.Stdin)
		os.Exit(0)
	}
	if told := os.Getenv(createEnv); told != "" {
		fmt.Println(createAndDie(told))
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// another is this test binary as another process. The race detector is not to linger in it.
func another(env string) *exec.Cmd {
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), env, "GORACE=atexit_sleep_ms=0")
	return cmd
}

func tryLock(path string) string {
	fd, err := unix.Open(path, unix.O_RDWR, 0)
	if err != nil {
		return err.Error()
	}
	switch err := setLock(fd, unix.F_WRLCK); err {
	case nil:
		return "granted"
	case unix.EAGAIN, unix.EACCES:
		return "refused"
	default:
		return err.Error()
	}
}

// setLock is what SQLite does: a POSIX lock on some bytes far out.
func setLock(fd int, kind int16) error {
	lk := unix.Flock_t{Type: kind, Start: 0x40000002, Len: 510}
	return unix.FcntlFlock(uintptr(fd), unix.F_SETLK, &lk)
}

// wantLock asks another process whether it gets the lock.
func wantLock(t *testing.T, path, want string) {
	t.Helper()
	out, err := another(lockEnv + "=" + path).Output()
	if got := strings.TrimSpace(string(out)); got != want || err != nil {
		t.Errorf("another process asks for the lock: %q, %v, want %q", got, err, want)
	}
}

// openHere returns how many descriptors of this process lead to the file.
func openHere(t *testing.T, path string) (n int) {
	t.Helper()
	fds, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Skip(err)
	}
	for _, e := range fds {
		if to, err := os.Readlink(filepath.Join("/proc/self/fd", e.Name())); err == nil && to == path {
			n++
		}
	}
	return n
}

// newFile returns the path of a new file, and a descriptor of it that plays SQLite's.
func newFile(t *testing.T) (path string, sqlite int) {
	t.Helper()
	dir, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	path = filepath.Join(dir, "dest")
	if err := File(path).Create(empty); err != nil {
		t.Fatal(err)
	}
	if n := openHere(t, path); n != 0 {
		t.Fatalf("%d descriptors are open after Close without locks", n)
	}
	sqlite, err = unix.Open(path, unix.O_RDWR|unix.O_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := unix.Close(sqlite); err != nil {
			t.Error(err)
		}
		graves.sweep()
		if n := openHere(t, path); n != 0 {
			t.Errorf("%d descriptors are left", n)
		}
	})
	return path, sqlite
}

func mustOpen(t *testing.T, path string) Dest {
	t.Helper()
	d, err := File(path).Open()
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func mustClose(t *testing.T, d Dest) {
	t.Helper()
	if err := d.Close(); err != nil {
		t.Fatal(err)
	}
}

func mustLock(t *testing.T, fd int, kind int16) {
	t.Helper()
	if err := setLock(fd, kind); err != nil {
		t.Fatal(err)
	}
}

// TestKernelDropsLocks shows what the graveyard is for: without it the lock is gone.
func TestKernelDropsLocks(t *testing.T) {
	path, sqlite := newFile(t)
	mustLock(t, sqlite, unix.F_WRLCK)
	wantLock(t, path, "refused")
	other, err := unix.Open(path, unix.O_RDWR|unix.O_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	if err := unix.Close(other); err != nil {
		t.Fatal(err)
	}
	wantLock(t, path, "granted")
}

func TestCloseKeepsLocks(t *testing.T) {
	for name, kind := range map[string]int16{"shared": unix.F_RDLCK, "exclusive": unix.F_WRLCK} {
		t.Run(name, func(t *testing.T) {
			path, sqlite := newFile(t)
			d := mustOpen(t, path)
			mustLock(t, sqlite, kind)
			mustClose(t, d)
			wantLock(t, path, "refused")
			if n := openHere(t, path); n != 2 {
				t.Errorf("%d descriptors are open, want SQLite's and the parked one", n)
			}

			d = mustOpen(t, path)
			if n := openHere(t, path); n != 2 {
				t.Errorf("%d descriptors are open, want the parked one to be used again", n)
			}
			if _, err := d.WriteAt([]byte("works"), 0); err != nil {
				t.Error(err)
			}
			mustClose(t, d)
			mustClose(t, d)
			wantLock(t, path, "refused")

			mustLock(t, sqlite, unix.F_UNLCK)
			wantLock(t, path, "granted")
			// Any destination will do.
			mustClose(t, mustOpen(t, otherFile(t)))
			if n := openHere(t, path); n != 1 {
				t.Errorf("%d descriptors are open, want only SQLite's", n)
			}
		})
	}
}

func otherFile(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "other")
	if err := os.WriteFile(path, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// TestCloseRacesWithLocks takes and checks the lock again and again while destinations on the
// same file come and go.
func TestCloseRacesWithLocks(t *testing.T) {
	path, sqlite := newFile(t)
	watch, err := unix.Open(path, unix.O_RDWR|unix.O_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(watch)
	done := make(chan struct{})
	var wg sync.WaitGroup
	defer wg.Wait()
	defer close(done)
	for range 4 {
		wg.Go(func() {
			for {
				select {
				case <-done:
					return
				default:
				}
				d, err := File(path).Open()
				if err != nil {
					t.Error(err)
					return
				}
				if err := d.Close(); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	held, refused := 0, 0
	for range 20_000 {
		if err := setLock(sqlite, unix.F_WRLCK); err == unix.EAGAIN {
			refused++ // in the moment of a close
			continue
		} else if err != nil {
			t.Fatal(err)
		}
		held++
		for range 3 {
			lk := unix.Flock_t{Type: unix.F_WRLCK}
			if err := unix.FcntlFlock(uintptr(watch), unix.F_OFD_GETLK, &lk); err != nil {
				t.Fatal(err)
			}
			if lk.Type == unix.F_UNLCK {
				t.Fatalf("the lock is gone, after %d times that it was held", held)
			}
		}
		mustLock(t, sqlite, unix.F_UNLCK)
	}
	t.Logf("held %d times, refused %d times", held, refused)
	if held == 0 {
		t.Error("the lock was never held")
	}
}

// TestForeignLock parks the descriptor for a lock of another process, which is more than needed
// and no harm.
func TestForeignLock(t *testing.T) {
	path, _ := newFile(t)
	cmd := another(lockEnv + "=" + path)
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	if line, err := bufio.NewReader(out).ReadString('\n'); line != "granted\n" {
		t.Fatalf("%q, %v", line, err)
	}
	mustClose(t, mustOpen(t, path))
	wantLock(t, path, "refused")
	if err := in.Close(); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Wait(); err != nil {
		t.Fatal(err)
	}
}

func TestDescriptorsAreNotInherited(t *testing.T) {
	path, _ := newFile(t)
	d := mustOpen(t, path)
	defer mustClose(t, d)
	stater, _ := As[Stater](d)
	flags, err := unix.FcntlInt(stater.Fd(), syscall.F_GETFD, 0)
	if err != nil || flags&unix.FD_CLOEXEC == 0 {
		t.Errorf("descriptor flags %#x, %v, want FD_CLOEXEC", flags, err)
	}
}
