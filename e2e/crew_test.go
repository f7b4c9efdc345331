//go:build e2e && linux

package e2e

import (
	"context"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"hydrant/clone/state"
	"hydrant/torture"
)

// crew are processes that use one clone at the same time, and write down what they were answered.
type crew struct {
	t      *testing.T
	shape  torture.Shape
	source string
	acks   torture.Acks
	excuse func(torture.Event) bool // what is no failure beside SQLITE_BUSY, nil: nothing

	mu     sync.Mutex // guards the rest
	count  [torture.Owners]int64
	seen   int64         // how often readers have found all well
	moved  chan struct{} // closed when one of them changes
	broken []string
	gone   bool // what is said does not count any more
	all    []*torture.Process
}

// newCrew makes the source of their clone. The seed decides all that they do; when each does it,
// nothing can.
func newCrew(t *testing.T, groups int) *crew {
	t.Helper()
	c := &crew{t: t, moved: make(chan struct{}), source: filepath.Join(t.TempDir(), "source.db"),
		shape: torture.Shape{PageSize: 4096, AutoVacuum: "NONE", Groups: groups}}
	for c.shape.Seed = rand.Uint64(); c.vacuums(40); c.shape.Seed++ {
	}
	t.Logf("seed %d", c.shape.Seed)
	if err := c.shape.Make(context.Background(), c.source); err != nil {
		t.Fatal(err)
	}
	return c
}

// vacuums tells whether one of the first two writers would have all of the clone here before it has
// committed n times.
func (c *crew) vacuums(n int64) bool {
	for owner := range 2 {
		for seq := range n {
			if slices.Contains(c.shape.Plan(owner, seq+1, "").After, "VACUUM") {
				return true
			}
		}
	}
	return false
}

// join starts a process. wrap is a command that runs another one.
func (c *crew) join(role string, owner int, dsn string, wrap []string, pragmas ...string) *torture.Process {
	c.t.Helper()
	p, err := torture.Start(torture.Launch{
		Spec:   torture.Spec{Role: role, Shape: c.shape, DSN: dsn, Owner: owner, Pragmas: pragmas, Seed: c.shape.Seed + uint64(owner), Pause: 20, Light: true},
		Wrap:   wrap,
		Stderr: os.Stderr,
		Hear:   c.hear,
	})
	if err != nil {
		c.t.Fatal(err)
	}
	c.t.Cleanup(p.Kill)
	c.mu.Lock()
	defer c.mu.Unlock()
	c.all = append(c.all, p)
	return p
}

func (c *crew) hear(p *torture.Process, e torture.Event) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.gone {
		return
	}
	bad := ""
	if p.Spec.Role == torture.RoleWriter {
		if err := c.acks.Note(p.Spec.Owner, e); err != nil {
			bad = err.Error()
		}
	}
	switch busy := e.Code&0xff == 5 || e.Code&0xff == 6; {
	case e.What == torture.SaidBroken:
		bad = e.Text
	case e.What == torture.SaidTrouble && !busy && (c.excuse == nil || !c.excuse(e)):
		bad = e.Text
	case e.What == torture.SaidReading:
		p.Tell("go")
	case e.What == torture.SaidAck, e.What == torture.SaidSaw:
		if e.What == torture.SaidAck {
			c.count[p.Spec.Owner]++
		} else {
			c.seen++
		}
		close(c.moved)
		c.moved = make(chan struct{})
	}
	if bad != "" {
		c.broken = append(c.broken, p.Spec.DSN+": "+bad)
	}
}

// more waits until each of the owners has committed n times more.
func (c *crew) more(n int64, owners ...int) {
	c.t.Helper()
	c.mu.Lock()
	want, seen := c.count, int64(0)
	c.mu.Unlock()
	for _, o := range owners {
		want[o] += n
	}
	c.until(want, seen)
}

// sees waits until readers have found all well n times more.
func (c *crew) sees(n int64) {
	c.t.Helper()
	c.mu.Lock()
	want, seen := c.count, c.seen+n
	c.mu.Unlock()
	c.until(want, seen)
}

func (c *crew) until(want [torture.Owners]int64, seen int64) {
	c.t.Helper()
	end := time.After(2 * time.Minute)
	for {
		c.mu.Lock()
		enough := c.seen >= seen
		for o, n := range want {
			enough = enough && c.count[o] >= n
		}
		moved, broken, have := c.moved, c.broken, c.count
		c.mu.Unlock()
		if len(broken) > 0 {
			c.t.Fatal(strings.Join(broken, "\n"))
		}
		if enough {
			return
		}
		select {
		case <-moved:
		case <-time.After(time.Second): // somebody may have ended
			for _, p := range c.all {
				select {
				case <-p.Done():
					if !p.Killed.Load() {
						c.t.Fatalf("%s: has ended: %v", p.Spec.DSN, p.Wait())
					}
				default:
				}
			}
		case <-end:
			c.t.Fatalf("in two minutes it did not come from %v to %v, and %d readings", have, want, seen)
		}
	}
}

// leave ends them all, in peace.
func (c *crew) leave() {
	c.t.Helper()
	for _, p := range c.all {
		p.End()
	}
	for _, p := range c.all {
		select {
		case <-p.Done():
		case <-time.After(2 * time.Minute):
			c.t.Fatalf("%s does not end", p.Spec.DSN)
		}
		if err := p.Wait(); err != nil && !p.Killed.Load() {
			c.t.Errorf("%s: %v", p.Spec.DSN, err)
		}
	}
	if len(c.broken) > 0 {
		c.t.Fatal(strings.Join(c.broken, "\n"))
	}
}

// cut ends them all by kill -9, and what they say from now on does not count.
func (c *crew) cut() {
	c.mu.Lock()
	c.gone = true
	c.mu.Unlock()
	for _, p := range c.all {
		p.Kill()
	}
}

// check holds the database against a replay of what was committed.
func (c *crew) check(role, dsn string, pragmas ...string) {
	c.t.Helper()
	low, high := c.acks.Bounds()
	found := checked(c.t, torture.Spec{Role: role, Shape: c.shape, DSN: dsn, Pragmas: pragmas, Oracle: freshOracle(c.t, c.source), Low: low, High: high})
	c.t.Logf("commits: %v, all there: %v", low, found)
}

// completed waits until the clone at path has its own first bytes on disk.
func completed(t *testing.T, path string) {
	t.Helper()
	for end := time.Now().Add(2 * time.Minute); ; time.Sleep(20 * time.Millisecond) {
		front := make([]byte, state.FirstBytes)
		f, err := os.Open(path)
		if err == nil {
			_, err = f.ReadAt(front, 0)
			f.Close()
		}
		if err != nil {
			t.Fatal(err)
		}
		if !state.IsGuard(front) {
			return
		}
		if time.Now().After(end) {
			t.Fatalf("not complete in two minutes: %s", hydrant(t, "status", path))
		}
	}
}
