//go:build e2e && linux

package e2e

import (
	"context"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"hydrant/sqlitevfs"
	"hydrant/torture"
)

// What a transaction survives is up to PRAGMA synchronous, with a clone as with a plain database:
//
//	FULL    every commit that was answered is there; but in mode DELETE the last one may be rolled
//	        back, as the journal's deletion is not synced: EXTRA does that
//	NORMAL  in WAL mode the last ones may be gone; what is there is a prefix, and whole
//	OFF     the database may be damaged; what the engine promises still holds
var powerLosses = []struct {
	mode, synchronous string
	keeps, whole      bool
}{
	{"DELETE", "EXTRA", true, true},
	{"PERSIST", "FULL", true, true},
	{"DELETE", "FULL", false, true},
	{"WAL", "FULL", true, true},
	{"WAL", "NORMAL", false, true},
	{"DELETE", "OFF", false, false},
	{"WAL", "OFF", false, false},
}

// Power is lost, as far as the file system can tell, again and again while a database is hydrated
// and written to.
func TestPowerLoss(t *testing.T) {
	for _, kind := range []string{"ext4", "xfs"} {
		for _, p := range powerLosses {
			t.Run(kind+", "+p.mode+", "+p.synchronous, func(t *testing.T) {
				t.Parallel()
				seed := rand.Uint64()
				t.Logf("seed %d", seed)
				v := newVolume(t, kind, map[string]string{"ext4": "256", "xfs": "320"}[kind])
				restartAgain(t, v.dir, v, p.mode, p.synchronous, p.keeps, p.whole, seed)
			})
		}
	}
}

// ground is what a clone lies on: it loses power, or not, and comes back.
type ground interface {
	losePower(t *testing.T)
	comeBack(t *testing.T)
}

// restartAgain has a writer use a clone in folder dir, again and again, which is killed when the ground
// has lost power, after which that comes back.
func restartAgain(t *testing.T, dir string, v ground, mode, synchronous string, keeps, whole bool, seed uint64) {
	ctx := context.Background()
	r := rand.New(rand.NewPCG(seed, 1))
	base := t.TempDir()
	source, db := filepath.Join(base, "source.db"), filepath.Join(dir, "app.db")
	shape := torture.Shape{Seed: seed, PageSize: 4096, AutoVacuum: "NONE", Groups: 6000}
	if err := shape.Make(ctx, source); err != nil {
		t.Fatal(err)
	}
	dsn := sqlitevfs.DSN(db, source, &sqlitevfs.Params{Bandwidth: 512 << 10, More: map[string]string{"_busy_timeout": "5000"}})
	pragmas := []string{"PRAGMA journal_mode=" + mode, "PRAGMA synchronous=" + synchronous}
	hydrant(t, "clone", "--no-hydrate", source, db)
	runScript(t, `sync -f "$1"`, db) // SQLite syncs no folder that it has made nothing in

	acks := new(torture.Acks)
	// What was answered before the power began to go. A sync that the kernel is at while the file
	// system is shut down may succeed and be lost, with plain files too.
	var certain [torture.Owners]int64
	for round := range 4 {
		first := make(chan struct{}, 1)
		broken := make(chan string, 1)
		var lost = make(chan struct{})
		writer, err := torture.Start(torture.Launch{
			Spec:   torture.Spec{Role: torture.RoleWriter, Shape: shape, DSN: dsn, Pragmas: pragmas, Seed: seed},
			Stderr: os.Stderr,
			Hear: func(p *torture.Process, e torture.Event) {
				if e.What == torture.SaidStart && (!keeps || certain[0] <= e.Seq && e.Seq < acks.Last()[0]) { // from what is left it goes on
					acks = new(torture.Acks)
					acks.Found([torture.Owners]int64{e.Seq})
				}
				bad := acks.Note(p.Spec.Owner, e)
				select {
				case <-lost: // what it says of a disk that is gone is its own affair
					return
				default:
				}
				if bad != nil {
					e.What, e.Text = torture.SaidBroken, bad.Error()
				}
				switch {
				case e.What == torture.SaidBroken, e.What == torture.SaidTrouble:
					select {
					case broken <- e.Text:
					default:
					}
				case e.What == torture.SaidAck:
					select {
					case first <- struct{}{}:
					default:
					}
				}
			},
		})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(writer.Kill)
		select {
		case <-first:
		case <-writer.Done():
		case text := <-broken: // without any sync SQLite may be at its end here
			if whole {
				t.Fatalf("round %d: %s", round, text)
			}
		case <-time.After(time.Minute):
			t.Error("no commit in a minute")
		}
		time.Sleep(time.Duration(r.IntN(400)) * time.Millisecond) // a moment that nothing can name
		certain = acks.Last()
		close(lost)
		v.losePower(t)
		writer.Kill()
		select {
		case text := <-broken:
			if whole {
				t.Fatalf("round %d, with power: %s", round, text)
			}
			t.Logf("round %d: %s", round, text)
		default:
		}
		v.comeBack(t)
		t.Logf("round %d: %d commits answered; then %s", round, acks.Last()[0], strings.Split(hydrant(t, "status", db), "\n")[1])
	}
	if whole {
		role := torture.RoleFinish
		if _, err := os.Stat(db + "-hydrant"); err != nil {
			role = torture.RoleCheck // it has come to its end by itself
		}
		_, high := acks.Bounds()
		low := certain
		if !keeps {
			low = [torture.Owners]int64{}
		}
		var written func(off int64) bool
		found := checkedWhen(t, torture.Spec{Role: role, Shape: shape, DSN: sqlitevfs.DSN(db, "", nil), Pragmas: pragmas,
			Oracle: freshOracle(t, source), Low: low, High: high}, func() {
			var err error
			if written, err = torture.WrittenMap(db); err != nil {
				t.Error(err)
			}
		})
		t.Logf("%d commits in the end", found[0])
		if written != nil {
			n, err := torture.Unwritten(db, source, shape.PageSize, written)
			if err != nil {
				t.Error(err)
			}
			t.Logf("%d bytes were never written, and are the source's", n)
		}
		if got := shell(t, db, "PRAGMA integrity_check"); got != "ok\n" {
			t.Errorf("integrity_check: %s", got)
		}
	} else {
		hydrant(t, "hydrate", db)
	}
	if left, err := filepath.Glob(db + "-hydrant"); err != nil || len(left) > 0 {
		t.Errorf("%v is left, %v", left, err)
	}
}

func freshOracle(t *testing.T, source string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "oracle.db")
	copyFile(t, path, source)
	return path
}

// checked runs a child that holds the database against the oracle, and returns the last commits.
func checked(t *testing.T, spec torture.Spec) (seqs [torture.Owners]int64) {
	t.Helper()
	return checkedWhen(t, spec, func() {})
}

// checkedWhen calls ready when the clone is not written to any more, and not complete yet.
func checkedWhen(t *testing.T, spec torture.Spec, ready func()) (seqs [torture.Owners]int64) {
	t.Helper()
	var said []string
	ok := false
	done := make(chan struct{})
	var p *torture.Process
	p, err := torture.Start(torture.Launch{Spec: spec, Stderr: os.Stderr, Hear: func(p *torture.Process, e torture.Event) {
		switch e.What {
		case torture.SaidChecked:
			ok, seqs = true, *e.Seqs
		case torture.SaidReady:
			ready()
			p.Tell("go")
		default:
			said = append(said, e.What+": "+e.Text)
		}
	}})
	if err != nil {
		t.Fatal(err)
	}
	go func() { p.Wait(); close(done) }()
	select {
	case <-done:
	case <-time.After(2 * time.Minute):
		p.Kill()
		t.Fatalf("no end of checking: %s", strings.Join(said, "\n"))
	}
	if !ok || p.Wait() != nil {
		t.Fatalf("checking: %v\n%s", p.Wait(), strings.Join(said, "\n"))
	}
	return seqs
}
