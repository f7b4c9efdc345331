package torture

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"hydrant/clone/state"
	"hydrant/sqlitevfs"
)

func TestMain(m *testing.M) {
	Child()
	os.Exit(m.Run())
}

var (
	seed   = flag.Uint64("torture.seed", 0, "of TestRounds: run this one alone")
	rounds = flag.Int("torture.rounds", 1, "how many from torture.seed on")
)

// A few rounds; make soak runs many. Each prints its seed when it fails.
func TestRounds(t *testing.T) {
	if state.BootID() == [16]byte{} {
		t.Skip("one process at a time here")
	}
	if !CanInject() {
		t.Log("no strace here that may trace: no system call will fail")
	}
	seeds := []uint64{200, 205, 1, 4, uint64(time.Now().UnixNano()) % 1e9}
	if testing.Short() {
		seeds = seeds[3:]
	}
	if *seed != 0 {
		seeds = nil
		for n := range *rounds {
			seeds = append(seeds, *seed+uint64(n))
		}
	}
	t.Logf("seeds %d", seeds)
	var report Report
	t.Cleanup(func() { _ = report.Table(t.Output()) })
	for _, seed := range seeds {
		t.Run(fmt.Sprint(seed), func(t *testing.T) {
			t.Parallel()
			err := Run(t.Context(), Config{Seed: seed, Life: 500 * time.Millisecond, Report: &report,
				Rerun: fmt.Sprintf("go test ./torture -run TestRounds -torture.seed=%d", seed)})
			if err != nil {
				t.Error(err)
			}
		})
	}
}

// copyFile copies a file that is small.
func copyFile(t *testing.T, from, to string) {
	t.Helper()
	b, err := os.ReadFile(from)
	if err == nil {
		err = os.WriteFile(to, b, 0o644)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// stage is a shape's database, a clone's DSN of it, and an oracle.
type stage struct {
	t      *testing.T
	shape  Shape
	path   string
	dsn    string
	oracle Oracle
	acks   Acks
}

func newStage(t *testing.T, seed uint64) *stage {
	t.Helper()
	dir := t.TempDir()
	s := &stage{t: t, shape: NewShape(seed), path: filepath.Join(dir, "app.db")}
	src := filepath.Join(dir, "source.db")
	if err := s.shape.Make(t.Context(), src); err != nil {
		t.Fatal(err)
	}
	s.oracle = Oracle{s.shape, filepath.Join(dir, "oracle.db")}
	copyFile(t, src, s.oracle.Path)
	s.dsn = sqlitevfs.DSN(s.path, src, &sqlitevfs.Params{More: map[string]string{"_busy_timeout": "5000"}})
	return s
}

// writers runs one for each owner until each has made so many commits, and kills them.
func (s *stage) writers(owners int, commits int64) {
	s.t.Helper()
	enough := make(chan bool, 1000)
	var all []*Process
	for owner := range owners {
		p, err := Start(Launch{
			Spec:   Spec{Role: RoleWriter, Shape: s.shape, DSN: s.dsn, Owner: owner, Pragmas: []string{"PRAGMA journal_mode=DELETE", "PRAGMA synchronous=OFF"}},
			Stderr: os.Stderr,
			Hear: func(p *Process, e Event) {
				if err := s.acks.Note(p.Spec.Owner, e); err != nil {
					s.t.Error(err)
				}
				if e.What == SaidBroken || e.What == SaidTrouble && !isBusy(e.Code) {
					s.t.Errorf("owner %d: %+v", p.Spec.Owner, e)
				}
				if e.What == SaidAck && e.Seq == commits {
					enough <- true
				}
			},
		})
		if err != nil {
			s.t.Fatal(err)
		}
		all = append(all, p)
	}
	for range owners {
		<-enough
	}
	for _, p := range all {
		p.Kill()
	}
}

// What killed writers were answered is there, and the oracle agrees in every row.
func TestKilledWriters(t *testing.T) {
	s := newStage(t, 3)
	s.writers(2, 20)
	low, high := s.acks.Bounds()
	rows, seqs, err := s.oracle.Check(t.Context(), s.dsn, nil, low, high)
	if err != nil {
		t.Fatal(err)
	}
	if rows < int64(s.shape.Groups)/2 || seqs[0] < 20 || seqs[1] < 20 || seqs[2] != 0 {
		t.Errorf("%d rows, commits %v", rows, seqs)
	}
}

// The oracle sees what is wrong. Without this, a run of no failures says nothing.
func TestOracleSeesDamage(t *testing.T) {
	s := newStage(t, 8)
	s.dsn = sqlitevfs.DSN(s.oracle.Path, "", &sqlitevfs.Params{VFS: "unix"})
	oracle := Oracle{s.shape, s.path + ".oracle"}
	copyFile(t, s.oracle.Path, oracle.Path)
	s.writers(2, 20)
	low, high := s.acks.Bounds()
	// What the killed ones left half done is rolled back here, and not in each copy.
	if db, err := connect(t.Context(), s.dsn, []string{"SELECT count(*) FROM log"}); err != nil || db.close() != nil {
		t.Fatal(err)
	}
	// So is the commit that a killed one was not answered: from here on all that is there has to stay.
	_, seqs, err := oracle.Check(t.Context(), s.dsn, nil, low, high)
	if err != nil {
		t.Fatal(err)
	}
	low, high = seqs, seqs
	for i, damage := range []struct{ sql, want string }{
		{"SELECT 1", ""},
		{"DELETE FROM log WHERE owner=1 AND seq=(SELECT max(seq) FROM log WHERE owner=1)", "owner 1: the last commit there is"},
		{"INSERT INTO log VALUES(2,1,''),(2,2,'')", "owner 2: the last commit there is 2"},
		{"UPDATE items SET v=v+1 WHERE id=(SELECT max(id) FROM items)", "items: row"},
		{"INSERT INTO bulk VALUES(1,2,'')", "bulk: row"},
		{"UPDATE accounts SET note=note||' ' WHERE id=3", "accounts: row"},
		{"CREATE TABLE stray(a)", "sqlite_schema: row"},
		{"PRAGMA writable_schema=ON; UPDATE sqlite_schema SET sql=replace(sql,'(kind, v)','(v, kind)') WHERE name='items_kind'", "integrity_check"},
	} {
		path := fmt.Sprint(s.path, i)
		copyFile(t, s.oracle.Path, path)
		dsn := sqlitevfs.DSN(path, "", &sqlitevfs.Params{VFS: "unix"})
		db, err := connect(t.Context(), dsn, []string{damage.sql})
		if err == nil {
			err = db.close()
		}
		if err != nil {
			t.Fatal(err)
		}
		_, _, err = oracle.Check(t.Context(), dsn, nil, low, high)
		if damage.want == "" && err != nil || damage.want != "" && (err == nil || !strings.Contains(err.Error(), damage.want)) {
			t.Errorf("%s: %v, want %q", damage.sql, err, damage.want)
		}
	}
}

// No owner touches another one's rows: what is left must not depend on how they took turns.
func TestOwnersKeepToTheirRows(t *testing.T) {
	shape := Shape{Seed: 5, PageSize: 512, Groups: 50}
	for owner := range Owners {
		for seq := range int64(3000) {
			for _, s := range shape.Plan(owner, seq+1, "").Kept {
				if s.SQL != insertItem {
					continue
				}
				if id := s.Args[0].(int64); id%idStep == 0 || id%Owners != int64(owner) {
					t.Fatalf("owner %d makes row %d", owner, id)
				}
			}
		}
	}
}
