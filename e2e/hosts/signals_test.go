//go:build e2e && linux

package hosts

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"hydrant/internal/s3test"
	"hydrant/sqlitevfs"
)

// What a program does on signals is up to it, whether it said so before or after it loaded the
// library: Python's handlers run, also of those that Go uses itself, and ^C is a KeyboardInterrupt.
func TestSignalHandlers(t *testing.T) {
	r := newRig(t, 1<<20)
	out := pythonRun(t, `
import os, signal, sqlite3, sys, threading, time
so, uri = sys.argv[1:]
signals = [signal.SIGHUP, signal.SIGUSR1, signal.SIGUSR2, signal.SIGALRM, signal.SIGTERM, signal.SIGCHLD, signal.SIGURG, signal.SIGPROF, signal.SIGVTALRM, signal.SIGWINCH, signal.SIGPIPE]
def load():
    db = sqlite3.connect(":memory:")
    db.enable_load_extension(True)
    db.load_extension(so)
def check(got):
    db = sqlite3.connect(uri, uri=True)
    for s in signals:
        os.kill(os.getpid(), s)
        for _ in range(500):
            if s in got: break
            db.execute("SELECT hydrant_wait(0.01)").fetchone()
    assert sorted(got) == sorted(signals), got
def install():
    got = []
    for s in signals: signal.signal(s, lambda n, frame: got.append(n))
    return got
early = install()
load()
check(early)
check(install())
try:
    db = sqlite3.connect(uri, uri=True)
    threading.Timer(0.3, lambda: os.kill(os.getpid(), signal.SIGINT)).start()
    while True: db.execute("SELECT hydrant_wait(0.1)").fetchone()
except KeyboardInterrupt:
    print("KeyboardInterrupt")
signal.setitimer(signal.ITIMER_PROF, 0.01, 0.01)
n = db.execute("WITH RECURSIVE c(x) AS (SELECT 1 UNION ALL SELECT x+1 FROM c WHERE x<2000000) SELECT count(*) FROM c").fetchone()[0]
signal.setitimer(signal.ITIMER_PROF, 0)
print(n)
r, w = os.pipe()
os.close(r)
signal.signal(signal.SIGPIPE, signal.SIG_IGN)
try:
    os.write(w, b"x")
except BrokenPipeError:
    print("BrokenPipeError")
got = install()
db.execute("SELECT hydrant_hydrate(1), total(length(note)) FROM orders").fetchall()
assert got == [], got
`, extension(t), sqlitevfs.DSN(r.path, r.source, &sqlitevfs.Params{Bandwidth: 1000}))
	if out != "KeyboardInterrupt\n2000000\nBrokenPipeError" {
		t.Error(out)
	}
}

// A signal that the program left to its default does what it did.
func TestSignalDefaults(t *testing.T) {
	for _, s := range []syscall.Signal{syscall.SIGTERM, syscall.SIGINT, syscall.SIGHUP, syscall.SIGQUIT, syscall.SIGPIPE, syscall.SIGSEGV, syscall.SIGABRT} {
		cmd := exec.Command(pythonPath(t), "-c", `
import os, resource, signal, sqlite3, sys
resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
db = sqlite3.connect(":memory:")
s = int(sys.argv[2])
if s != signal.SIGSEGV: signal.signal(s, signal.SIG_DFL)
db.enable_load_extension(True)
db.load_extension(sys.argv[1])
os.kill(os.getpid(), s)
import time
time.sleep(20)
`, extension(t), fmt.Sprint(int(s)))
		err := cmd.Run()
		var exit *exec.ExitError
		if !errors.As(err, &exit) || exit.Sys().(syscall.WaitStatus).Signal() != s {
			t.Errorf("%v: %v", s, err)
		}
	}
}

// sqlite3_interrupt ends a wait for a source that says nothing, and hydrant_wait(), long before
// their time: also on a SQLite that has no function to ask with.
func TestInterrupt(t *testing.T) {
	r := newRig(t, 4<<20)
	program := `
import sqlite3, sys, threading, time
so, uri, query = sys.argv[1:]
boot = sqlite3.connect(":memory:")
boot.enable_load_extension(True)
boot.load_extension(so)
db = sqlite3.connect(uri, uri=True, check_same_thread=False, isolation_level=None)
db.execute("SELECT name FROM customers WHERE id = 7").fetchone()
print("ready", flush=True)
sys.stdin.readline()
def interrupt():
    while not done:
        time.sleep(0.3)
        db.interrupt()
done = False
thread = threading.Thread(target=interrupt)
thread.start()
began = time.monotonic()
try:
    db.execute(query).fetchall()
    print("it came to an end")
except sqlite3.Error as e:
    print(e)
done = True
thread.join()
assert time.monotonic() - began < 60, "it took too long"
print(db.execute("SELECT name IS NOT NULL FROM customers WHERE id = 7").fetchone()[0])
`
	for _, query := range []string{"SELECT total(length(note)) FROM orders", "SELECT hydrant_wait()"} {
		ctx, stop := context.WithTimeout(t.Context(), 2*time.Minute)
		defer stop()
		cmd := exec.CommandContext(ctx, pythonPath(t), "-c", program, extension(t),
			sqlitevfs.DSN(r.path, r.source, &sqlitevfs.Params{Bandwidth: 1000, Timeout: 10 * time.Minute}), query)
		in, err := cmd.StdinPipe()
		if err != nil {
			t.Fatal(err)
		}
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		cmd.Stderr = os.Stderr
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		ready := make([]byte, len("ready\n"))
		if _, err := io.ReadFull(out, ready); err != nil {
			t.Fatal(err)
		}
		r.server.Inject(s3test.Match{Op: s3test.OpGetObject}, s3test.Stall())
		io.WriteString(in, "go\n")
		text, _ := io.ReadAll(out)
		r.server.ClearFaults()
		if err := cmd.Wait(); err != nil || !strings.HasSuffix(string(text), "interrupted\n1\n") {
			t.Errorf("%s: %v: %s", query, err, text)
		}
	}
}

// ^C in the shell, as somebody sits before it, ends a wait for the source, and the shell goes on.
func TestShellUnderATerminal(t *testing.T) {
	r := newRig(t, 4<<20)
	term, cmd := terminal(t, "sqlite3", "-interactive")
	type_ := func(s string) {
		if _, err := io.WriteString(term, s); err != nil {
			t.Fatal(err)
		}
	}
	type_(".load " + extension(t) + "\n")
	type_(".open " + sqlitevfs.DSN(r.path, r.source, &sqlitevfs.Params{NoHydrate: true, Timeout: 10 * time.Minute}) + "\n")
	type_("SELECT 'row', id FROM customers WHERE id = 7;\n")
	await(t, term, "row|7")
	fault := r.server.Inject(s3test.Match{Op: s3test.OpGetObject}, s3test.Stall())
	type_("SELECT total(length(note)) FROM orders;\n")
	select {
	case <-fault.Stalled():
	case <-time.After(time.Minute):
		t.Fatal("it asks for nothing")
	}
	type_("\x03")
	await(t, term, "nterrupt")
	r.server.ClearFaults()
	type_("SELECT 'total', total(id) > 0 FROM orders;\n")
	await(t, term, "total|1")
	type_(".quit\n")
	// It counts the statement that was interrupted as an error.
	if err := cmd.Wait(); cmd.ProcessState.ExitCode() != 1 {
		t.Error(err)
	}
}

// terminal runs a program under a terminal of its own.
func terminal(t *testing.T, name string, args ...string) (*os.File, *exec.Cmd) {
	t.Helper()
	fd, err := unix.Open("/dev/ptmx", unix.O_RDWR|unix.O_NOCTTY|unix.O_CLOEXEC|unix.O_NONBLOCK, 0)
	if err != nil {
		t.Fatal(err)
	}
	if err := unix.IoctlSetPointerInt(fd, unix.TIOCSPTLCK, 0); err != nil {
		t.Fatal(err)
	}
	n, err := unix.IoctlGetInt(fd, unix.TIOCGPTN)
	if err != nil {
		t.Fatal(err)
	}
	master := os.NewFile(uintptr(fd), "ptmx")
	slave, err := os.OpenFile(fmt.Sprintf("/dev/pts/%d", n), os.O_RDWR|unix.O_NOCTTY, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer slave.Close()
	cmd := exec.Command(name, args...)
	cmd.Stdin, cmd.Stdout, cmd.Stderr = slave, slave, slave
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = master.Close()
	})
	return master, cmd
}

// await reads until the text comes that is not what was typed.
func await(t *testing.T, from *os.File, text string) {
	t.Helper()
	if err := from.SetReadDeadline(time.Now().Add(time.Minute)); err != nil {
		t.Fatal(err)
	}
	var got strings.Builder
	b := make([]byte, 4096)
	for !strings.Contains(got.String(), text) {
		n, err := from.Read(b)
		got.Write(b[:n])
		if err != nil {
			t.Fatalf("no %q: %v\n%s", text, err, got.String())
		}
	}
}
