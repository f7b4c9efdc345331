package clone

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"

	"hydrant/clone/state"
	"hydrant/source/sourcetest"
)

// sqliteLock is the lock of a reader in SQLite's place: a POSIX lock, far out.
func sqliteLock(kind int16) unix.Flock_t {
	return unix.Flock_t{Type: kind, Start: 0x40000002, Len: 510}
}

// probe is a process that looks all the time whether somebody holds SQLite's lock on the file at
// path, and says so when nobody does, or when its input ends.
func probe(path string) {
	fd, err := unix.Open(path, unix.O_RDWR, 0)
	over := make(chan bool)
	go func() {
		io.Copy(io.Discard, os.Stdin)
		close(over)
	}()
	fmt.Println("looking", err)
	for {
		lk := sqliteLock(unix.F_WRLCK)
		if err := unix.FcntlFlock(uintptr(fd), unix.F_GETLK, &lk); err != nil || lk.Type == unix.F_UNLCK {
			fmt.Println("lost", err)
			os.Exit(0)
		}
		select {
		case <-over:
			fmt.Println("held")
			os.Exit(0)
		default:
		}
	}
}

// Whatever the engine does to dest, the POSIX locks that this process holds there stay: another
// process looks all the while.
func TestPOSIXLocksSurviveTheEngine(t *testing.T) {
	if state.BootID() == [16]byte{} {
		t.Skip("POSIX locks are dropped here")
	}
	const size = 4 << 20
	o := newOracle(size, 1)
	f := &family{t: t, path: filepath.Join(t.TempDir(), "blob"), src: sourcetest.NewVirtual(o.blob, size)}
	f.opts.NoBackground = true
	first := f.open()
	fd, err := unix.Open(f.path, unix.O_RDWR|unix.O_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fd)
	lk := sqliteLock(unix.F_RDLCK)
	if err := unix.FcntlFlock(uintptr(fd), unix.F_SETLK, &lk); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), "CLONE_TEST_ROLE=probe", "CLONE_TEST_PATH="+f.path)
	in, _ := cmd.StdinPipe()
	out, _ := cmd.StdoutPipe()
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	says := bufio.NewReader(out)
	says.ReadString('\n')

	ctx := context.Background()
	for range 3 { // others come and go in this process
		c := f.open()
		c.ReadAt(ctx, make([]byte, 5000), 1<<20)
		c.WriteAt(ctx, make([]byte, 5000), 2<<20)
		c.Discard(ctx, 3<<20, 100_000)
		c.Sync(ctx)
		Inspect(f.path)
		TunePath(f.path, Knobs{Bandwidth: knob(int64(0))})
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	}
	f.opts.NoBackground = false
	c := f.open()
	if err := c.Wait(ctx); err != nil {
		t.Error(err)
	}
	if err := first.Close(); err != nil {
		t.Error(err)
	}
	if err := c.Close(); err != nil {
		t.Error(err)
	}
	Inspect(f.path) // now a plain file
	in.Close()
	if said, err := says.ReadString('\n'); said != "held\n" {
		t.Errorf("the lock: %q, %v", said, err)
	}
	cmd.Wait()
}
