package main

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"hydrant/clone"
	"hydrant/clone/state"
	"hydrant/internal/pattern"
	"hydrant/internal/s3test"
	"hydrant/internal/shopdb"
	"hydrant/internal/units"
)

// commands are what scripts can do beside testscript's own.
var commands = map[string]func(*testscript.TestScript, bool, []string){
	"code":    codeCmd,   // code N COMMAND…: it exits with N; hydrant then says why in one line
	"until":   untilCmd,  // until REGEXP COMMAND…: again, until its output matches
	"blob":    blobCmd,   // blob FILE SIZE SEED: bytes like none other
	"shop":    shopCmd,   // shop FILE SIZE SEED: a database
	"same":    sameCmd,   // same FILE FILE: byte for byte
	"future":  futureCmd, // future FILE: makes a state file one of a later version
	"flip":    flipCmd,   // flip FILE OFFSET: turns over a bit
	"signal":  signalCmd, // signal TSTP|STOP|CONT: to all that runs in the background
	"s3put":   s3putCmd,  // s3put KEY FILE: makes or replaces s3://b/KEY
	"s3get":   s3getCmd,  // s3get KEY FILE: the other way round
	"s3slow":  s3slowCmd, // s3slow RATE: bytes per second of each connection
	"s3dead":  s3deadCmd, // s3dead: every answer from now on is that access is denied
	"failed":  failedCmd, // failed DEST: leaves the clone as a sync that failed does
	"hold":    holdCmd,   // hold DEST: keeps the clone open until release
	"release": releaseCmd,
	"web":     webCmd, // web FILE: serves it as $WEB by a server that knows no ranges
}

func codeCmd(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: code N COMMAND…")
	}
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	got := 0
	if err := ts.Exec(args[1], args[2:]...); err != nil {
		var exit *exec.ExitError
		if !errors.As(err, &exit) {
			ts.Fatalf("%v", err)
		}
		got = exit.ExitCode()
	}
	if got != want {
		ts.Fatalf("exit code %d, want %d", got, want)
	}
	said := ts.ReadFile("stderr")
	if want != 0 && (strings.Count(said, "\n") != 1 || !strings.HasPrefix(said, "hydrant: ")) {
		ts.Fatalf("want one line that begins with \"hydrant: \", got %q", said)
	}
}

func untilCmd(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: until REGEXP COMMAND…")
	}
	want, err := regexp.Compile(args[0])
	ts.Check(err)
	for deadline := time.Now().Add(20 * time.Second); time.Now().Before(deadline); time.Sleep(10 * time.Millisecond) {
		if ts.Exec(args[1], args[2:]...) == nil && want.MatchString(ts.ReadFile("stdout")) {
			return
		}
	}
	ts.Fatalf("it never came to match %s", want)
}

// sizeAndSeed reads FILE SIZE SEED.
func sizeAndSeed(ts *testscript.TestScript, args []string) (path string, size int64, seed uint64) {
	if len(args) != 3 {
		ts.Fatalf("want FILE SIZE SEED")
	}
	size, err := units.ParseSize(args[1])
	ts.Check(err)
	seed, err = strconv.ParseUint(args[2], 10, 64)
	ts.Check(err)
	return ts.MkAbs(args[0]), size, seed
}

func blobCmd(ts *testscript.TestScript, _ bool, args []string) {
	path, size, seed := sizeAndSeed(ts, args)
	ts.Check(os.WriteFile(path, pattern.Blob{Seed: seed}.Bytes(size), 0o644))
}

func shopCmd(ts *testscript.TestScript, _ bool, args []string) {
	path, size, seed := sizeAndSeed(ts, args)
	ts.Check(shopdb.Create(context.Background(), path, shopdb.Options{Size: size, Seed: seed}))
}

func sameCmd(ts *testscript.TestScript, neg bool, args []string) {
	if len(args) != 2 {
		ts.Fatalf("usage: same FILE FILE")
	}
	a, err := os.ReadFile(ts.MkAbs(args[0]))
	ts.Check(err)
	b, err := os.ReadFile(ts.MkAbs(args[1]))
	ts.Check(err)
	if bytes.Equal(a, b) == neg {
		ts.Fatalf("%s and %s: same is %v", args[0], args[1], !neg)
	}
}

func flipCmd(ts *testscript.TestScript, _ bool, args []string) {
	if len(args) != 2 {
		ts.Fatalf("usage: flip FILE OFFSET")
	}
	off, err := strconv.ParseInt(args[1], 0, 64)
	ts.Check(err)
	f, err := os.OpenFile(ts.MkAbs(args[0]), os.O_RDWR, 0)
	ts.Check(err)
	var b [1]byte
	_, err = f.ReadAt(b[:], off)
	ts.Check(err)
	b[0] ^= 1
	_, err = f.WriteAt(b[:], off)
	ts.Check(err)
	ts.Check(f.Close())
}

// futureCmd raises the version in both superblocks, with sums that are right.
func futureCmd(ts *testscript.TestScript, _ bool, args []string) {
	if len(args) != 1 {
		ts.Fatalf("usage: future FILE")
	}
	const block, version, sum = 4096, 8, 12
	path := ts.MkAbs(args[0])
	b, err := os.ReadFile(path)
	ts.Check(err)
	for _, sb := range [][]byte{b[:block], b[block : 2*block]} {
		binary.LittleEndian.PutUint32(sb[version:], state.Version+1)
		binary.LittleEndian.PutUint32(sb[sum:], 0)
		binary.LittleEndian.PutUint32(sb[sum:], crc32.Checksum(sb, crc32.MakeTable(crc32.Castagnoli)))
	}
	ts.Check(os.WriteFile(path, b, 0o644))
}

func signalCmd(ts *testscript.TestScript, _ bool, args []string) {
	signals := map[string]os.Signal{"TSTP": syscall.SIGTSTP, "CONT": syscall.SIGCONT, "STOP": syscall.SIGSTOP}
	if len(args) != 1 || signals[args[0]] == nil {
		ts.Fatalf("usage: signal TSTP|STOP|CONT")
	}
	for _, c := range ts.BackgroundCmds() {
		ts.Check(c.Process.Signal(signals[args[0]]))
		if args[0] != "CONT" {
			// A script that fails waits for what it left in the background, stopped or not.
			time.AfterFunc(20*time.Second, func() { _ = c.Process.Kill() })
			awaitStop(ts, c.Process.Pid)
		}
	}
}

// awaitStop returns when the process has stopped: a CONT that came before would be lost on it.
func awaitStop(ts *testscript.TestScript, pid int) {
	for deadline := time.Now().Add(20 * time.Second); time.Now().Before(deadline); time.Sleep(10 * time.Millisecond) {
		stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
		ts.Check(err)
		if bytes.Contains(stat, []byte(") T ")) {
			return
		}
	}
	ts.Fatalf("process %d did not stop", pid)
}

func s3putCmd(ts *testscript.TestScript, _ bool, args []string) {
	if len(args) != 2 {
		ts.Fatalf("usage: s3put KEY FILE")
	}
	data, err := os.ReadFile(ts.MkAbs(args[1]))
	ts.Check(err)
	serverOf(ts).Put("b", args[0], data)
}

func s3getCmd(ts *testscript.TestScript, _ bool, args []string) {
	if len(args) != 2 {
		ts.Fatalf("usage: s3get KEY FILE")
	}
	data, ok := serverOf(ts).Get("b", args[0])
	if !ok {
		ts.Fatalf("there is no s3://b/%s", args[0])
	}
	ts.Check(os.WriteFile(ts.MkAbs(args[1]), data, 0o644))
}

func s3slowCmd(ts *testscript.TestScript, _ bool, args []string) {
	if len(args) != 1 {
		ts.Fatalf("usage: s3slow RATE")
	}
	rate, err := units.ParseRate(args[0])
	ts.Check(err)
	serverOf(ts).SetNetwork(s3test.Network{TotalBandwidth: rate})
}

func s3deadCmd(ts *testscript.TestScript, _ bool, _ []string) {
	serverOf(ts).Inject(s3test.Match{}, s3test.Status(http.StatusForbidden, "AccessDenied"))
}

func failedCmd(ts *testscript.TestScript, _ bool, args []string) {
	if len(args) != 1 {
		ts.Fatalf("usage: failed DEST")
	}
	f, err := state.PathStore(ts.MkAbs(args[0]), 0).Open()
	ts.Check(err)
	st, err := state.Load(f)
	ts.Check(err)
	st.Head.Mode.Store(uint64(state.ReadOnly))
	st.Head.SetError("sync of the test: input/output error")
	ts.Check(f.Close())
}

type holdKey struct{}

func holdCmd(ts *testscript.TestScript, _ bool, args []string) {
	if len(args) != 1 {
		ts.Fatalf("usage: hold DEST")
	}
	c, err := clone.OpenPath(context.Background(), nil, ts.MkAbs(args[0]), &clone.Options{NoBackground: true})
	ts.Check(err)
	*ts.Value(holdKey{}).(**clone.Clone) = c
}

func releaseCmd(ts *testscript.TestScript, _ bool, _ []string) {
	ts.Check((*ts.Value(holdKey{}).(**clone.Clone)).Close())
}

func webCmd(ts *testscript.TestScript, _ bool, args []string) {
	if len(args) != 1 {
		ts.Fatalf("usage: web FILE")
	}
	data, err := os.ReadFile(ts.MkAbs(args[0]))
	ts.Check(err)
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("ETag", `"1"`)
		_, _ = w.Write(data)
	}))
	ts.Defer(s.Close)
	ts.Setenv("WEB", s.URL+"/"+args[0])
}
