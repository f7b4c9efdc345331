package clone

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"hydrant/clone/state"
	"hydrant/internal/pattern"
	"hydrant/source/sourcetest"
)

// What comers clone: one of two sources, small enough to be whole, and detached, within the life of
// one of them.
const comerSize = 200<<10 + 77

func comerBlob(which int) pattern.Blob { return pattern.Blob{Seed: uint64(100 + which)} }

func comerURL(which int) string { return "fake:" + strconv.Itoa(which) }

// comerPlace is where the k-th write of a comer goes, which nobody else writes to; many lie in one
// region.
func comerPlace(id, k int) (off int64, p []byte) {
	return int64(id*comerWrites+k) * 512, bytes.Repeat([]byte{byte(id*comerWrites+k)%250 + 1}, 300)
}

const comerWrites = 8

// come is the life of one comer: it opens the clone or makes it, writes, and closes it, perhaps
// after it is complete, perhaps detaching it; and says what happened as soon as it has.
func come(path string, id, which int) error {
	ctx, cancel := context.WithTimeout(context.Background(), 60*time.Second)
	defer cancel()
	src := sourcetest.NewVirtual(comerBlob(which), comerSize)
	src.Rename(comerURL(which))
	c, err := OpenPath(ctx, src, path, &Options{Knobs: Knobs{Bandwidth: knob(int64(4 << 20)), Batch: knob(int64(64 << 10))}})
	switch {
	case errors.Is(err, ErrPlain):
		fmt.Println("plain")
		return nil
	case errors.Is(err, ErrOtherSource) && strings.Contains(err.Error(), comerURL(0)) && strings.Contains(err.Error(), comerURL(1)):
		fmt.Println("other")
		return nil
	case err != nil:
		return err
	}
	fmt.Println("open", which)
	for k := range comerWrites {
		off, p := comerPlace(id, k)
		if _, err := c.WriteAt(ctx, p, off); err != nil {
			return err
		}
		fmt.Println("wrote", k)
	}
	if id%3 != 0 {
		if err := c.Wait(ctx); err != nil {
			return err
		}
	}
	if id%3 == 1 {
		err := c.Detach(ctx)
		if err != nil && !errors.Is(err, ErrBusy) && !errors.Is(err, ErrIncomplete) {
			return err
		}
	}
	if err := c.Close(); err != nil {
		return err
	}
	fmt.Println("closed")
	return nil
}

// comer is one that was started, and what it said.
type comer struct {
	id, which int
	cmd       *exec.Cmd
	killed    bool
	opened    bool
	wrote     int // so many writes were answered
	trouble   string
}

func (c *comer) start(path string) (done chan struct{}, err error) {
	c.cmd = exec.Command(os.Args[0])
	c.cmd.Env = append(os.Environ(), fmt.Sprintf("CLONE_TEST_COMER=%d %d %s", c.id, c.which, path))
	var said bytes.Buffer
	c.cmd.Stderr = &said
	out, err := c.cmd.StdoutPipe()
	if err == nil {
		err = c.cmd.Start()
	}
	done = make(chan struct{})
	if err != nil {
		return done, err
	}
	go func() {
		defer close(done)
		for lines := bufio.NewScanner(out); lines.Scan(); {
			switch word, _, _ := strings.Cut(lines.Text(), " "); word {
			case "open":
				c.opened = true
			case "wrote":
				c.wrote++
			}
		}
		if err := c.cmd.Wait(); err != nil && said.Len() > 0 {
			c.trouble = fmt.Sprintf("%v: %s", err, said.String())
		}
	}()
	return done, nil
}

// Processes come and go on one path, most of one source and some of another, and are killed at any
// time: while the clone is made, joined, completed, detached. Whoever is first decides of which
// source it is; nothing that was answered is lost, no byte is wrong, nobody waits for ever, and in
// the end it is a plain file with nothing beside it.
func TestComersAndGoers(t *testing.T) {
	if state.BootID() == [16]byte{} {
		t.Skip("one process at a time here")
	}
	rounds := 12
	if testing.Short() || raceDetector {
		rounds = 3
	}
	if s := os.Getenv("CLONE_TEST_ROUNDS"); s != "" {
		rounds, _ = strconv.Atoi(s)
	}
	seed := rand.Uint64()
	if s := os.Getenv("CLONE_TEST_SEED"); s != "" {
		seed, _ = strconv.ParseUint(s, 10, 64)
	}
	t.Logf("CLONE_TEST_SEED=%d CLONE_TEST_ROUNDS=%d go test -run TestComersAndGoers ./clone", seed, rounds)
	rng := newRand(seed)
	ends := map[string]int{}
	for round := range rounds {
		path := filepath.Join(t.TempDir(), "blob")
		var comers []*comer
		var all sync.WaitGroup
		for id := range 1 + rng.IntN(12) {
			c := &comer{id: id, which: 0}
			if rng.IntN(4) == 0 {
				c.which = 1
			}
			done, err := c.start(path)
			if err != nil {
				t.Fatal(err)
			}
			comers = append(comers, c)
			after := time.Duration(20+rng.IntN(200)) * time.Millisecond
			kill, gap := rng.IntN(6) > 0, time.Duration(rng.IntN(25))*time.Millisecond
			all.Go(func() {
				if kill {
					select {
					case <-done:
					case <-time.After(after):
						c.killed = c.cmd.Process.Kill() == nil
					}
				}
				<-done
			})
			time.Sleep(gap)
		}
		all.Wait()
		ends[judgeRound(t, round, path, comers)]++
	}
	t.Log(ends)
}

// judgeRound opens what is left, completes it, and compares.
func judgeRound(t *testing.T, round int, path string, comers []*comer) (end string) {
	t.Helper()
	which := -1
	for _, c := range comers {
		if c.trouble != "" && !c.killed {
			t.Errorf("round %d: comer %d: %s", round, c.id, c.trouble)
		}
		if c.opened && which >= 0 && which != c.which {
			t.Fatalf("round %d: it was opened as a clone of either source", round)
		}
		if c.opened {
			which = c.which
		}
	}
	end = "plain"
	if sb := superOf(path); sb != nil {
		end = sb.Phase.String()
		which = 0
		if sb.URL == comerURL(1) {
			which = 1
		}
	}
	if which < 0 {
		if img, err := os.ReadFile(path); errors.Is(err, os.ErrNotExist) {
			return "nothing"
		} else if bytes.HasPrefix(img, comerBlob(1).Bytes(4096)) {
			which = 1
		} else {
			which = 0
		}
	}
	src := sourcetest.NewVirtual(comerBlob(which), comerSize)
	src.Rename(comerURL(which))
	ctx, cancel := context.WithTimeout(context.Background(), 60*time.Second)
	defer cancel()
	c, err := OpenPath(ctx, src, path, nil)
	if err == nil {
		err = errors.Join(c.Wait(ctx), c.Close())
	}
	if err != nil && !errors.Is(err, ErrPlain) {
		t.Fatalf("round %d (%s): %v", round, end, err)
	}
	got, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	want, maybe := comerBlob(which).Bytes(comerSize), comerBlob(which).Bytes(comerSize)
	for _, c := range comers {
		for k := range comerWrites {
			if off, p := comerPlace(c.id, k); c.which == which {
				copy(maybe[off:], p)
				if k < c.wrote {
					copy(want[off:], p)
				}
			}
		}
	}
	for i := range want {
		if len(got) != len(want) || got[i] != want[i] && got[i] != maybe[i] {
			t.Fatalf("round %d (%s): byte %d of %d is wrong", round, end, i, len(got))
		}
		if want[i] == maybe[i] && got[i] != want[i] {
			t.Fatalf("round %d (%s): the write at byte %d is lost", round, end, i)
		}
	}
	if left, err := filepath.Glob(path + "?*"); err != nil || len(left) > 0 {
		t.Fatalf("round %d (%s): %v is left, %v", round, end, left, err)
	}
	return end
}

// superOf reads the superblock beside the file at path, nil when there is none.
func superOf(path string) *state.Superblock {
	f, err := state.PathStore(path, 0).OpenReadOnly()
	if err != nil {
		return nil
	}
	defer f.Close()
	sb, _ := state.ReadSuperblock(f)
	return sb
}

// comeAsTold is come with its arguments from the environment; it does not return when there are
// any.
func comeAsTold() {
	var id, which int
	var path string
	if n, _ := fmt.Sscanf(os.Getenv("CLONE_TEST_COMER"), "%d %d %s", &id, &which, &path); n != 3 {
		return
	}
	if err := come(path, id, which); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(0)
}
