package sqlitevfs

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"hydrant/clone"
	"hydrant/internal/faultio"
	"hydrant/source/sourcetest"
	"hydrant/sqlitevfs/internal/sqlapi"
)

// trial is one statement of which something fails, and what the application does then.
type trial struct {
	Statement string
	Mode      string // journal mode
	Sheet     string
	Mmap      bool
	Kind      string // of outageKinds, or of diskKinds
	K         int
	Sticky    bool
	End       string // of ends
}

// ends are what the application may do after a statement has failed. It may also be killed.
var ends = []string{"COMMIT", "ROLLBACK", "close", "kill"}

// diskKinds are writes to the local file that fail, for lack of room or for good: those that Go
// makes, and those that SQLite makes itself to pages that were changed before.
var diskKinds = []string{"full go", "full sqlite", "broken go", "broken sqlite"}

func (tr *trial) onDisk() (fails, byGo bool, errno syscall.Errno) {
	what, whose, fails := strings.Cut(tr.Kind, " ")
	errno = syscall.EIO
	if what == "full" {
		errno = syscall.ENOSPC
	}
	return fails, whose == "go", errno
}

// outcome is what a trial came to.
type outcome struct {
	Requests, Hits int
	Steps          int   // that succeeded
	Codes          []int // of the calls that failed
	Gone           bool  // SQLite itself has rolled back
	Ended          bool  // the end was answered with OK
	Wrong          string
}

// patience of the clone while its source fails. An interrupt is noticed in less.
func (tr *trial) patience() time.Duration {
	if fails, _, _ := tr.onDisk(); fails {
		return 10 * time.Second
	}
	if tr.Kind == "interrupt" {
		return 100 * time.Millisecond
	}
	return 20 * time.Millisecond
}

func (tr *trial) String() string {
	b, _ := json.Marshal(tr)
	return string(b)
}

// rules are the result codes that a failing read or write may become: those on which SQLite rolls
// back what cannot go on.
const (
	sqliteError     = 1
	sqliteNoMem     = 7
	sqliteInterrupt = 9
	sqliteIOErr     = 10
	sqliteFull      = 13
)

func allowed(err error) bool {
	var e *sqlapi.Error
	if !errors.As(err, &e) {
		return false
	}
	return slices.Contains([]int{sqliteNoMem, sqliteInterrupt, sqliteIOErr, sqliteFull}, e.Primary())
}

// scene is where a trial happens.
type scene struct {
	tr    *trial
	stmt  *statement
	dir   string
	paths []string // of the clones
	out   *outage
	disk  *faultio.Injector
	pages *sqlapi.WriteFault
	res   outcome

	mu   sync.Mutex   // guards conn
	conn *sqlapi.Conn // nil: closed, or about to be
}

func (s *scene) uri(i int, source string) string {
	return DSN(s.paths[i], source, &Params{NoHydrate: true})
}

// stage makes sources known and clones of them, and goes on to where the statement begins.
func stage(tr *trial, dir string) (*scene, error) {
	s := &scene{tr: tr, stmt: statementNamed(tr.Statement), dir: dir}
	s.out = &outage{kind: tr.Kind, k: tr.K, sticky: tr.Sticky}
	if tr.Kind == "interrupt" {
		s.out.onHit = s.interrupt
	}
	content, err := os.ReadFile(filepath.Join(dir, "src.db"))
	if err != nil {
		return nil, err
	}
	names := []string{"app.db"}
	if s.stmt.attach {
		names = append(names, "aux.db")
	}
	for _, name := range names {
		s.paths = append(s.paths, filepath.Join(dir, name))
	}
	s.know(content)
	if fails, _, _ := tr.onDisk(); fails {
		s.out.k = 0
		if err := interceptWrites(); err != nil {
			return nil, err
		}
		s.disk = &faultio.Injector{}
		destFaults.mu.Lock()
		destFaults.m[s.paths[0]] = s.disk
		destFaults.mu.Unlock()
	}
	if s.conn, err = sqlapi.Open(s.uri(0, s.address(0))); err != nil {
		return nil, err
	}
	sql := []string{}
	if s.stmt.attach {
		sql = append(sql, `ATTACH '`+s.uri(1, s.address(1))+`' AS aux`)
	}
	sql = append(sql, `PRAGMA journal_mode=`+tr.Mode)
	if tr.Mmap {
		sql = append(sql, `PRAGMA mmap_size=67108864`)
	}
	for _, sql := range append(sql, s.stmt.before...) {
		if err := s.conn.Exec(sql); err != nil {
			return nil, fmt.Errorf("%s: %w", sql, err)
		}
	}
	return s, nil
}

func (s *scene) address(i int) string { return "fake:" + s.paths[i] }

// know makes the sources fakes of this process.
func (s *scene) know(content []byte) {
	fakes.mu.Lock()
	defer fakes.mu.Unlock()
	for i := range s.paths {
		f := sourcetest.NewFake(content)
		f.Rename(s.address(i))
		f.Plan(s.out.plan)
		fakes.m[s.address(i)] = f
	}
}

func (s *scene) forget() {
	fakes.mu.Lock()
	defer fakes.mu.Unlock()
	for i := range s.paths {
		delete(fakes.m, s.address(i))
	}
	destFaults.mu.Lock()
	defer destFaults.mu.Unlock()
	delete(destFaults.m, s.paths[0])
}

var interceptWrites = sync.OnceValue(sqlapi.Intercept)

// begin lets things fail from now on.
func (s *scene) begin() {
	s.out.begin()
	fails, byGo, errno := s.tr.onDisk()
	switch {
	case !fails:
	case byGo:
		s.disk.Inject(faultio.Fault{Op: faultio.Write, K: s.tr.K, Err: errno, Sticky: s.tr.Sticky})
	default:
		var err error
		if s.pages, err = sqlapi.FailWrites(s.paths[0], s.tr.K, s.tr.Sticky, errno); err != nil {
			s.wrong("%v", err)
		}
	}
}

// end lets nothing fail any more.
func (s *scene) end() {
	n, hits := s.out.end()
	switch fails, byGo, _ := s.tr.onDisk(); {
	case !fails:
	case byGo:
		n, hits = s.disk.Count(faultio.Write), s.disk.Hits()
		s.disk.Inject()
	case s.pages != nil:
		n, hits = s.pages.End()
		s.pages = nil
	}
	if s.res.Requests == 0 {
		s.res.Requests, s.res.Hits = n, hits
	}
}

func (s *scene) interrupt() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.conn != nil {
		s.conn.Interrupt()
	}
}

func (s *scene) close() error {
	s.mu.Lock()
	c := s.conn
	s.conn = nil
	s.mu.Unlock()
	if c == nil {
		return nil
	}
	return c.Close()
}

// tune sets how long each wait for the source may take.
func (s *scene) tune(d time.Duration) error {
	for _, path := range s.paths {
		// There is no clone any more when all of it was local at the last close.
		if err := clone.TunePath(path, clone.Knobs{Timeout: &d}); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return nil
}

func (s *scene) wrong(format string, args ...any) {
	if s.res.Wrong == "" {
		s.res.Wrong = fmt.Sprintf(format, args...)
	}
}

// note writes a failure down, and judges its code.
func (s *scene) note(what string, err error) {
	var e *sqlapi.Error
	if errors.As(err, &e) {
		s.res.Codes = append(s.res.Codes, e.Code)
	}
	if !allowed(err) {
		s.wrong("%s: %v", what, err)
	}
}

// play runs the statement until something fails, and then the end, unless that is to be killed.
func (s *scene) play() {
	s.begin()
	defer s.end()
	if !s.stmt.alone {
		if err := s.conn.Exec(`BEGIN`); err != nil {
			s.note("BEGIN", err)
			return
		}
	}
	for i := range s.stmt.count() {
		if err := s.stmt.step(s.conn, i); err != nil {
			s.note(s.stmt.name, err)
			break
		}
		s.res.Steps++
	}
	s.res.Gone = !s.conn.InTransaction()
	if s.tr.Kind == "interrupt" && !s.tr.Sticky && s.res.Steps < s.stmt.count() {
		s.end()
	}
	switch {
	case s.tr.End == "close":
		// What the last close has to say is that the WAL could not be emptied, at most.
		if err := s.close(); err != nil {
			s.note("close", err)
		}
	case s.tr.End == "kill" || s.stmt.alone:
	case s.res.Gone:
		if err := s.conn.Exec(s.tr.End); err == nil || !strings.Contains(err.Error(), "no transaction is active") {
			s.wrong("%s without a transaction: %v", s.tr.End, err)
		}
	default:
		if err := s.conn.Exec(s.tr.End); err != nil {
			s.note(s.tr.End, err)
		} else {
			s.res.Ended = true
		}
	}
}

// may are the digests that may be found afterwards.
func (s *scene) may(states []uint64) []uint64 {
	n := s.res.Steps
	switch {
	case s.stmt.alone && n == s.stmt.count():
		return states[n:]
	case s.stmt.alone:
		return states[n : n+2] // it may have failed after it was done
	case s.tr.End != "COMMIT" || s.res.Gone:
		return states[:1]
	case s.res.Ended:
		return states[n : n+1]
	}
	return []uint64{states[0], states[n]} // COMMIT has failed
}

// check looks at the database through c.
func (s *scene) check(who string, c *sqlapi.Conn, states []uint64) {
	if s.res.Wrong != "" {
		return
	}
	for _, schema := range []string{"main", "aux"}[:len(s.paths)] {
		if text, err := integrity(c, schema); err != nil || text != "ok" {
			s.wrong("%s: integrity_check of %s: %.200s, %v", who, schema, text, err)
			return
		}
	}
	got, err := digest(c, s.stmt.attach)
	if err != nil {
		s.wrong("%s: %v", who, err)
	} else if may := s.may(states); !slices.Contains(may, got) {
		s.wrong("%s: after %d steps, gone %v, ended %v, codes %v: state %d of %d", who, s.res.Steps, s.res.Gone,
			s.res.Ended, s.res.Codes, slices.Index(states, got), len(states))
	}
}

// integrity is the answer of integrity_check. What it could not read it reports like what it found
// broken, and a request that was under way when the outage ended may still fail, so it is asked
// again: what is broken stays so.
func integrity(c *sqlapi.Conn, schema string) (text string, err error) {
	for range 20 {
		text, err = c.Text(`PRAGMA ` + schema + `.integrity_check`)
		if err == nil && text == "ok" {
			break
		}
		time.Sleep(20 * time.Millisecond)
	}
	return text, err
}

// verify looks at what is left: through the connection that saw it fail, and through a new one,
// which must not find anybody's locks.
func (s *scene) verify(states []uint64) {
	if fails, _, _ := s.tr.onDisk(); fails || s.tr.Kind == "changed" {
		// It is probed in a second, as dest is; opened again, at once.
		if err := s.close(); err != nil {
			s.wrong("close: %v", err)
		}
	}
	if s.conn != nil {
		s.check("same connection", s.conn, states)
	}
	c, err := sqlapi.Open(s.uri(0, ""))
	if err != nil {
		s.wrong("open again: %v", err)
		return
	}
	if s.stmt.attach {
		if err := c.Exec(`ATTACH '` + s.uri(1, "") + `' AS aux`); err != nil {
			s.wrong("attach again: %v", err)
		}
	}
	s.check("new connection", c, states)
	if s.conn != nil && s.tr.Mode != "WAL" {
		if err := c.Exec(`INSERT INTO log(what) VALUES('after')`); err != nil {
			s.wrong("write afterwards: %v", err)
		}
	}
	if err := errors.Join(c.Close(), s.close()); err != nil {
		s.wrong("close: %v", err)
	}
}

// run runs the trial in a folder of its own.
func (tr *trial) run(t testing.TB, b *blueprint) outcome {
	dir, err := os.MkdirTemp(sweepDir(), "trial")
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(dir)
	if err := os.WriteFile(filepath.Join(dir, "src.db"), b.content, 0o644); err != nil {
		t.Fatal(err)
	}
	if tr.End == "kill" {
		return tr.runKilled(dir, b)
	}
	s, err := stage(tr, dir)
	if err != nil {
		return outcome{Wrong: err.Error()}
	}
	defer s.forget()
	if err := s.tune(tr.patience()); err != nil {
		return outcome{Wrong: err.Error()}
	}
	s.play()
	if err := s.tune(10 * time.Second); err != nil {
		s.wrong("%v", err)
	}
	s.verify(b.states)
	return s.res
}

// runKilled is run, up to the failure in a process that is killed then.
func (tr *trial) runKilled(dir string, b *blueprint) outcome {
	cmd := exec.Command(os.Args[0], childPrefix+"trial", tr.String(), dir)
	out, err := cmd.Output()
	if err == nil || !strings.Contains(err.Error(), "killed") {
		return outcome{Wrong: fmt.Sprintf("child: %v: %s", err, out)}
	}
	s := &scene{tr: tr, stmt: statementNamed(tr.Statement), dir: dir, out: &outage{}}
	if err := json.Unmarshal(out, &s.res); err != nil {
		return outcome{Wrong: err.Error()}
	}
	s.paths = []string{filepath.Join(dir, "app.db")}
	if s.stmt.attach {
		s.paths = append(s.paths, filepath.Join(dir, "aux.db"))
	}
	s.know(b.content)
	defer s.forget()
	if err := s.tune(10 * time.Second); err != nil {
		s.wrong("%v", err)
	}
	s.verify(b.states)
	return s.res
}

// trialChild is the child of runKilled.
//
//	trial TRIAL DIR
func trialChild(text, dir string) {
	registerTest()
	var tr trial
	check(json.Unmarshal([]byte(text), &tr))
	s, err := stage(&tr, dir)
	check(err)
	check(s.tune(tr.patience()))
	s.play()
	b, err := json.Marshal(s.res)
	check(err)
	_, err = os.Stdout.Write(b)
	check(err)
	kill()
}
