package clone

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"

	"hydrant/clone/state"
	"hydrant/internal/pattern"
	"hydrant/source/sourcetest"
)

// The blob that parent and children clone.
const childSize = 4<<20 + 99

var childBlob = pattern.Blob{Seed: 31}

// childWrite is the i-th write of a child: whole regions and parts of them, over and over the same
// places, so that what is read tells which write came last.
func childWrite(child, i int) (p []byte, off int64) {
	n := 100 + i*37%900
	off = int64(child)<<20 + int64(i*7919%1000)*1000
	return bytes.Repeat([]byte{byte(i%250 + 1)}, n), off
}

// TestMain is a child, when it is called as one: it writes until it is killed, and says so after
// each write that was answered.
func TestMain(m *testing.M) {
	comeAsTold()
	if role := os.Getenv("CLONE_TEST_ROLE"); role != "" {
		play(role)
	}
	path := os.Getenv("CLONE_TEST_CHILD_PATH")
	if path == "" {
		os.Exit(m.Run())
	}
	child, _ := strconv.Atoi(os.Getenv("CLONE_TEST_CHILD"))
	ctx := context.Background()
	src := sourcetest.NewVirtual(childBlob, childSize)
	c, err := OpenPath(ctx, src, path, &Options{Knobs: Knobs{Bandwidth: knob(int64(1 << 20))}})
	for i := 0; err == nil; i++ {
		p, off := childWrite(child, i)
		if _, err = c.WriteAt(ctx, p, off); err == nil {
			fmt.Println(i)
		}
	}
	fmt.Fprintln(os.Stderr, err)
	os.Exit(1)
}

// Children are killed as kill -9 does it, while they write and hydrate. What they were answered is
// read by those who come after, and the rest is the source's (I5).
func TestKilledChildrenLoseNothing(t *testing.T) {
	if state.BootID() == [16]byte{} {
		t.Skip("one process at a time here")
	}
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	for round := range 3 {
		path := filepath.Join(t.TempDir(), "blob")
		want := childBlob.Bytes(childSize)
		type life struct {
			cmd *exec.Cmd
			out *bufio.Scanner
		}
		var children []life
		for child := range 3 {
			cmd := exec.Command(self)
			cmd.Env = append(os.Environ(), "CLONE_TEST_CHILD_PATH="+path, "CLONE_TEST_CHILD="+strconv.Itoa(child))
			cmd.Stderr = os.Stderr
			out, err := cmd.StdoutPipe()
			if err != nil {
				t.Fatal(err)
			}
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			children = append(children, life{cmd, bufio.NewScanner(out)})
		}
		maybe := map[int64]byte{} // what the write that was cut off would have put there
		for child, l := range children {
			last := -1
			for n := 0; n < 50+200*round && l.out.Scan(); n++ {
				last, _ = strconv.Atoi(l.out.Text())
			}
			l.cmd.Process.Kill()
			for l.out.Scan() { // answered before it died
				last, _ = strconv.Atoi(l.out.Text())
			}
			l.cmd.Wait()
			if last < 0 {
				t.Fatal("a child wrote nothing")
			}
			for i := range last + 1 {
				p, off := childWrite(child, i)
				copy(want[off:], p)
			}
			// Its last line may have been cut off as well.
			for i := last + 1; i <= last+2; i++ {
				p, off := childWrite(child, i)
				for j, b := range p {
					maybe[off+int64(j)] = b
				}
			}
		}
		ctx := context.Background()
		c, err := OpenPath(ctx, sourcetest.NewVirtual(childBlob, childSize), path, nil)
		if err != nil {
			t.Fatal(err)
		}
		got := make([]byte, childSize)
		if _, err := c.ReadAt(ctx, got, 0); err != nil && err != io.EOF {
			t.Fatal(err)
		}
		for i := range got {
			if b, ok := maybe[int64(i)]; got[i] != want[i] && !(ok && got[i] == b) {
				t.Fatalf("round %d: byte %d is %#x, want %#x", round, i, got[i], want[i])
			}
		}
		if err := c.Close(); err != nil {
			t.Error(err)
		}
		if img, err := os.ReadFile(path); err != nil || !bytes.Equal(img, got) {
			t.Errorf("round %d: dest differs from what was read (%v)", round, err)
		}
	}
}
