package sqlitevfs

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"hydrant/clone/state"
	"hydrant/sqlitevfs/internal/forktest"
)

// In a forked child there is no Go: what is local is read, what is none of ours works, and the
// rest fails at once.
func TestFork(t *testing.T) {
	p := newPair(t, build{rows: 5000}, &Params{More: map[string]string{"cache": "private"}})
	uri := DSN(p.path, "", nil)
	plain := DSN(filepath.Join(filepath.Dir(p.path), "plain.db"), "", nil)
	got, err := forktest.Run(uri, plain, `PRAGMA cache_size=1; SELECT sum(length(b)) FROM t WHERE id < 50`, `SELECT sum(length(c)) FROM t`)
	if err != nil {
		t.Fatal(err)
	}
	const ioerrRead, cantOpen = 10 | 1<<8, 14
	for step, want := range map[string]int{"warm": 0, "cold": ioerrRead, "plain": 0, "again": cantOpen} {
		if got[step] != want {
			t.Errorf("%s: result code %d, want %d", step, got[step], want)
		}
	}
	same(t, p.db, p.want) // the parent is as it was
}

const holdQuery = `PRAGMA cache_size=1; SELECT sum(length(b)) FROM t WHERE id < 50`

// hold is a process that forks a child, to which it leaves files 3 and 4, and waits to be killed.
func hold(path, source string) {
	registerTest()
	more := &Params{NoHydrate: true, More: map[string]string{"cache": "private"}}
	check(forktest.Hold(DSN(path, source, more), holdQuery, 3, 4))
	fmt.Println("forked")
	select {}
}

// A forked child has none of its parent's locks: when the parent dies, the next process is alone
// with the clone, although the child lives and reads what is local.
func TestForkedChildKeepsNoLocks(t *testing.T) {
	if state.BootID() == [16]byte{} {
		t.Skip("one process at a time here")
	}
	dir := tempDir(t)
	src, path := filepath.Join(dir, "src.db"), filepath.Join(dir, "app.db")
	makeSource(t, src, build{rows: 5000})
	inR, inW, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	outR, outW, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	parent := exec.Command(os.Args[0], childPrefix+"hold", path, "file:"+src)
	parent.ExtraFiles = []*os.File{inR, outW}
	stdout, err := parent.StdoutPipe()
	if err == nil {
		err = parent.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	inR.Close()
	outW.Close()
	defer inW.Close() // ends the child
	if line, err := bufio.NewReader(stdout).ReadString('\n'); line != "forked\n" {
		t.Fatalf("%q, %v", line, err)
	}
	alone := func() bool {
		f, err := state.PathStore(path, 0o644).Open()
		if err != nil {
			t.Fatal(err)
		}
		defer f.Close()
		ok, err := f.TryLock(state.LockAttach, 1, true)
		if err != nil {
			t.Fatal(err)
		}
		return ok
	}
	ask := func() {
		t.Helper()
		rc := make([]byte, 1)
		if _, err := inW.Write(rc); err != nil {
			t.Fatal(err)
		}
		if n, err := outR.Read(rc); n != 1 || rc[0] != 0 {
			t.Errorf("the child reads what is local: %d, %v", rc[0], err)
		}
	}
	if alone() {
		t.Error("the parent has lost its lock by what the child did")
	}
	ask()
	parent.Process.Kill()
	parent.Wait()
	if !alone() {
		t.Error("the child keeps the lock of its parent, which is dead")
	}
	ask()
	db := openDSN(t, DSN(path, "", nil))
	waitComplete(t, db)
	same(t, db, openPlain(t, src))
	closeDB(t, db)
	wantGone(t, path)
	ask()
}
