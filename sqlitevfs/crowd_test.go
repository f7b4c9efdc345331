package sqlitevfs

import (
	"fmt"
	"os/exec"
	"strings"
	"testing"
	"time"

	"hydrant/clone"
)

// Processes read, write, come and go: from before there is a clone, while it is copied, when it
// becomes complete, after that. Some are killed. Every commit that was acknowledged is seen by
// everybody who looks afterwards, nobody sees half of one, and nobody is told that anything is
// busy or malformed.
func TestCrowd(t *testing.T) {
	for _, mode := range []string{"DELETE", "WAL"} {
		t.Run(mode, func(t *testing.T) {
			t.Parallel()
			c := newCrowd(t, mode, 15000)
			params := &Params{Bandwidth: 1 << 20}
			// They all want to make it.
			for i := range 2 {
				a := c.actor(fmt.Sprint("churner ", i))
				a.begin("churn churner%d 12 %s", i, c.uri(params))
			}
			for i := range 2 {
				a := c.actor(fmt.Sprint("writer ", i))
				a.begin("open %s", c.uri(params))
			}
			r := c.actor("reader")
			r.begin("open %s", c.uri(params))
			for i, a := range c.actors[2:] {
				a.done()
				if a == r {
					a.begin("read 60")
				} else {
					a.begin("write writer%d 30", i)
				}
			}
			// Two that are killed wherever they are.
			for i := range 2 {
				victim := newActor(t, fmt.Sprint("victim ", i), c.acked)
				victim.do("open %s", c.uri(params))
				victim.begin("write victim%d 1000000", i)
				before := c.ledger.get()
				eventually(t, "commits go on", func() bool { return c.ledger.get() > before+5 })
				victim.kill()
			}
			go clone.TunePath(c.path, clone.Knobs{Bandwidth: new(int64)})
			c.wait()
			c.finish()
		})
	}
}

// forModes runs f in the two ways that SQLite locks.
func forModes(t *testing.T, f func(t *testing.T, c *crowd)) {
	for _, mode := range []string{"DELETE", "WAL"} {
		t.Run(mode, func(t *testing.T) {
			t.Parallel()
			f(t, newCrowd(t, mode, 3000))
		})
	}
}

// Whoever opens a clone first may be killed while it asks the source, and the next one makes it.
func TestFirstOpenerIsKilled(t *testing.T) {
	forModes(t, func(t *testing.T, c *crowd) {
		for range 3 {
			first := c.actor("first")
			first.begin("open %s", DSN(c.path, "silent:"+c.source, nil))
			select {
			case line := <-first.out:
				t.Fatalf("a silent source answered: %s", line)
			case <-time.After(30 * time.Millisecond):
			}
			first.kill()
		}
		if fileExists(t, c.path) || fileExists(t, c.path+"-hydrant") {
			t.Error("there is a clone of a source that has not answered")
		}
		next := c.opened("next", nil)
		next.do("write next 3")
		next.do("close")
		c.finish()
	})
}

// The last process closes, and with that completes and detaches, just while another opens.
func TestLastCloserMeetsAnOpener(t *testing.T) {
	forModes(t, func(t *testing.T, c *crowd) {
		for round := range 8 {
			c := c.sibling(round)
			a, b := c.opened("a", &Params{NoHydrate: true}), c.actor("b")
			a.do("write a 1")
			// All of it becomes local inside of a transaction, so that it cannot be completed before.
			a.do("exec BEGIN")
			if got := a.do("get PRAGMA integrity_check"); got != "ok" {
				t.Fatal(got)
			}
			if !fileExists(t, c.path+"-hydrant") {
				t.Fatal("it was completed inside of a transaction")
			}
			a.begin("close")
			time.Sleep(time.Duration(round) * time.Millisecond) // by turns: before, during, after
			b.begin("open %s", c.uri(&Params{NoHydrate: true}))
			a.done()
			b.done()
			b.do("read 1")
			b.do("write b 2")
			b.do("read 1")
			b.do("close")
			c.finish()
		}
	})
}

// A process has a reader open in the middle of a transaction while another one completes: that
// waits, the reader reads on, and both write afterwards.
func TestReaderElsewhereHoldsUpCompletion(t *testing.T) {
	forModes(t, func(t *testing.T, c *crowd) {
		a := c.opened("reader", &Params{NoHydrate: true})
		a.do("write a 1")
		a.do("exec BEGIN")
		a.do("get SELECT count(*) FROM log")
		b := c.opened("hydrator", &Params{NoHydrate: true})
		if c.mode == "WAL" {
			b.do("write b 1") // frames that the reader must not see
		}
		b.do("exec SELECT hydrant_hydrate(1)")
		waits := func() string {
			return b.do("get SELECT json_extract(hydrant_status(), '$.state') || ' ' || json_extract(hydrant_status(), '$.regions_hydrated') || ' ' || json_extract(hydrant_status(), '$.regions_total')")
		}
		eventually(t, "all of it is local", func() bool {
			f := strings.Fields(waits())
			return f[1] == f[2]
		})
		if s := b.do("get SELECT hydrant_wait(1.5)"); s != "0" {
			t.Errorf("it was completed under a reader: %s", s)
		}
		if !fileExists(t, c.path+"-hydrant") {
			t.Error("there is no state file any more")
		}
		if got := a.do("get SELECT n FROM counter"); got != "1" {
			t.Errorf("the reader sees %s commits", got)
		}
		a.do("exec COMMIT")
		if s := b.do("get SELECT hydrant_wait(30)"); s != "1" {
			t.Errorf("it is not completed: %s", waits())
		}
		for range 3 {
			a.do("write a 2")
			b.do("read 1")
			b.do("write b 2")
			a.do("read 1")
		}
		a.do("close")
		b.do("read 1")
		b.do("close")
		wantGone(t, c.path)
		c.plain()
	})
}

// locking_mode=EXCLUSIVE: one process has it all, another is refused as ever, and completion waits
// for the end of it.
func TestExclusiveLocking(t *testing.T) {
	forModes(t, func(t *testing.T, c *crowd) {
		a := c.opened("a", &Params{NoHydrate: true})
		a.do("read 1") // in WAL mode there is no way back to NORMAL otherwise
		a.do("exec PRAGMA locking_mode=EXCLUSIVE")
		a.do("write a 2")
		b := c.opened("b", &Params{NoHydrate: true})
		b.do("exec PRAGMA busy_timeout=20")
		if line := b.try("get SELECT n FROM counter"); !strings.HasPrefix(line, "err 5 ") {
			t.Errorf("beside an exclusive lock: %s", line)
		}
		a.do("exec SELECT hydrant_hydrate(1)")
		if s := a.do("get SELECT hydrant_wait(2)"); s != "0" {
			t.Errorf("completed under an exclusive lock: %s", s)
		}
		a.do("write a 2")
		a.do("exec PRAGMA locking_mode=NORMAL")
		a.do("write a 1")
		b.do("exec PRAGMA busy_timeout=30000")
		b.do("read 1")
		if s := a.do("get SELECT hydrant_wait(30)"); s != "1" {
			t.Errorf("it is not completed: %s", a.do("get SELECT hydrant_status()"))
		}
		b.do("write b 1")
		a.do("read 1")
		a.do("close")
		b.do("close")
		c.expectCommits(6)
		c.finish()
	})
}

// cache=shared: the connections of a process share one file, and another process has its own.
func TestSharedCache(t *testing.T) {
	forModes(t, func(t *testing.T, c *crowd) {
		shared := &Params{NoHydrate: true, More: map[string]string{"cache": "shared", "_busy_timeout": "20000"}}
		one, two := openDSN(t, c.uri(shared)), openDSN(t, c.uri(shared))
		other := c.opened("other", nil)
		for i := range 10 {
			run(t, one, fmt.Sprintf(`INSERT INTO log(what) VALUES('one %d')`, i))
			other.do("write other 2")
			run(t, two, fmt.Sprintf(`INSERT INTO log(what) VALUES('two %d')`, i))
			for _, db := range []string{get[string](t, one, `SELECT count(*) FROM log`), other.do("get SELECT count(*) FROM log")} {
				if db != fmt.Sprint(2*i+2) {
					t.Fatalf("round %d: %s rows", i, db)
				}
			}
			if i == 4 {
				waitComplete(t, two)
			}
		}
		closeDB(t, one)
		other.do("close")
		closeDB(t, two)
		c.expectCommits(20)
		c.finish()
	})
}

// Once a clone is complete, whoever opens it with plain SQLite and whoever came by way of us is in
// the same database, locks included; the plain one checkpoints, and has the last word.
func TestPlainBesideOurs(t *testing.T) {
	forModes(t, func(t *testing.T, c *crowd) {
		ours := c.opened("ours", nil)
		ours.do("write ours 2")
		if s := ours.do("get SELECT hydrant_wait(30)"); s != "1" {
			t.Fatal("it is not completed")
		}
		plain := c.actor("plain")
		plain.do("open %s", DSN(c.path, "", &Params{VFS: "unix"}))
		for range 5 {
			plain.do("write plain 3")
			ours.do("read 1")
			ours.do("write ours 3")
			plain.do("read 1")
		}
		// Each is shut out by the other.
		for _, pair := range [][2]*actor{{ours, plain}, {plain, ours}} {
			pair[0].do("exec BEGIN IMMEDIATE")
			pair[1].do("exec PRAGMA busy_timeout=10")
			if line := pair[1].try("exec INSERT INTO log(what) VALUES('x')"); !strings.HasPrefix(line, "err 5 ") {
				t.Errorf("%s writes under %s's lock: %s", pair[1].name, pair[0].name, line)
			}
			pair[1].do("exec PRAGMA busy_timeout=30000")
			pair[0].do("exec ROLLBACK")
		}
		if c.mode == "WAL" {
			if got := plain.do("get PRAGMA wal_checkpoint(TRUNCATE)"); got != "0" {
				t.Errorf("checkpoint by plain SQLite: %s", got)
			}
		}
		out, err := exec.Command("sqlite3", c.path, `PRAGMA wal_checkpoint; INSERT INTO log(what) VALUES('shell'); SELECT n FROM counter`).CombinedOutput()
		if err == nil && !strings.HasSuffix(strings.TrimSpace(string(out)), "32") {
			t.Errorf("the shell says %s", out)
		}
		ours.do("write ours 1")
		ours.do("close")
		plain.do("read 1")
		plain.do("write plain 1")
		plain.do("close")
		wantGone(t, c.path)
		c.plain()
	})
}

// After completion, connections of one process by way of us and by plain SQLite: each keeps the
// other's locks when it is closed, which another process can tell.
func TestLocksInOneProcess(t *testing.T) {
	forModes(t, func(t *testing.T, c *crowd) {
		params := &Params{More: map[string]string{"_busy_timeout": "10"}}
		ours := openDSN(t, c.uri(params))
		waitComplete(t, ours)
		outside := c.actor("outside")
		outside.do("open %s", DSN(c.path, "", &Params{VFS: "unix"}))
		outside.do("exec PRAGMA busy_timeout=10")
		refused := func(when string) {
			t.Helper()
			if line := outside.try("exec BEGIN IMMEDIATE"); !strings.HasPrefix(line, "err 5 ") {
				t.Fatalf("%s: %s", when, line)
			}
		}
		open := map[string]func() string{
			"plain": func() string { return DSN(c.path, "", &Params{VFS: "unix", More: params.More}) },
			"ours":  func() string { return c.uri(params) },
		}
		for _, holder := range []string{"plain", "ours"} {
			for _, closer := range []string{"plain", "ours"} {
				held := openDSN(t, open[holder]())
				other := openDSN(t, open[closer]())
				run(t, held, `BEGIN IMMEDIATE`, `INSERT INTO log(what) VALUES('held')`)
				if _, err := other.Exec(`INSERT INTO log(what) VALUES('other')`); err == nil || !strings.Contains(err.Error(), "locked") {
					t.Errorf("%s writes under %s's lock: %v", closer, holder, err)
				}
				refused(holder + " holds it")
				closeDB(t, other)
				refused(closer + " was closed")
				// Whatever else we open of it and close: status looks at it, a second clone attaches.
				if _, err := clone.Inspect(c.path); err != nil {
					t.Error(err)
				}
				refused("it was inspected")
				run(t, held, `COMMIT`)
				closeDB(t, held)
				outside.do("exec INSERT INTO log(what) VALUES('outside')")
			}
		}
		closeDB(t, ours)
		outside.do("close")
		wantGone(t, c.path)
		c.plain()
	})
}
