package torture

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/mattn/go-sqlite3"

	"hydrant/clone"
	"hydrant/internal/s3test"
	"hydrant/sqlitevfs"
)

// hangs is for how long nothing at all may come from a child that runs.
const hangs = 60 * time.Second

// Config says how a round is run.
type Config struct {
	Seed   uint64
	Life   time.Duration // mean time between two crashes of everything; default 1 s
	Dir    string        // where files are kept when it fails; "" for the system's temporary folder
	Rerun  string        // the command that does it again, for messages
	Report *Report       // nil: nothing is counted
}

// round is one database and what becomes of it.
type round struct {
	Config
	shape  Shape
	r      *rand.Rand
	dir    string
	path   string
	url    string
	server *s3test.Server
	env    []string
	acks   Acks
	blob   BlobShape // of a round without a database
	log    *os.File  // events, and what children say on stderr
	began  time.Time

	wal      bool
	mending  bool // the source fails now and then
	slow     bool // most of the clone stays where it is, to the end
	spoiling bool // system calls of some children fail
	stopping bool // children are stopped for a while
	spoiled  bool // a sync has failed, and with it what was not synced may be gone

	mu      sync.Mutex // guards the rest
	live    []*Process
	stopped map[*Process]bool
	asked   map[*Process][Owners]int64 // what was acknowledged when a reader began
	rough   bool                       // errors of the disk and of the source may come
	failed  error
}

// Run runs one round: a database is made, cloned and used by several processes, which come to harm;
// after each crash all of them are started anew; in the end it is compared with its oracle. The
// error says what was wrong, and where the files are.
func Run(ctx context.Context, c Config) error {
	if c.Life == 0 {
		c.Life = time.Second
	}
	if c.Report == nil {
		c.Report = &Report{}
	}
	dir, err := os.MkdirTemp(c.Dir, "hydrant-torture-")
	if err != nil {
		return err
	}
	if dir, err = filepath.EvalSymlinks(dir); err != nil {
		return err
	}
	r := &round{Config: c, dir: dir, path: filepath.Join(dir, "app.db"), began: time.Now(),
		r: random(c.Seed, 'D', 0, 0), stopped: map[*Process]bool{}, asked: map[*Process][Owners]int64{}}
	err = r.run(ctx)
	c.Report.Add(Rounds, 1)
	if err == nil {
		return os.RemoveAll(dir)
	}
	c.Report.Add(Failures, 1)
	return fmt.Errorf("seed %d: %w\nfiles: %s\nagain: %s", c.Seed, err, dir, c.Rerun)
}

func (r *round) run(ctx context.Context) (err error) {
	if r.log, err = os.Create(filepath.Join(r.dir, "log")); err != nil {
		return err
	}
	defer func() { _ = r.log.Close() }()
	if r.r.IntN(5) == 0 {
		return r.runBlob(ctx)
	}
	if err := r.stage(ctx); err != nil {
		return err
	}
	defer func() { _ = r.server.Close() }()
	defer r.killAll()
	for n := 2 + r.r.IntN(3); n > 0 && r.failure() == nil && ctx.Err() == nil; n-- {
		r.life(ctx)
		r.Report.Add(Lives, 1)
		if r.failure() == nil && !r.slow && r.r.IntN(3) == 0 {
			was := r.server.Network()
			r.server.SetNetwork(s3test.Network{}) // it reads all there is
			r.check(RoleCheck)
			r.server.SetNetwork(was)
		}
	}
	if r.failure() == nil {
		r.finish(ctx)
	}
	r.Report.Add(Commits, r.acks.Total())
	return r.failure()
}

// stage makes the database and puts it where it is cloned from.
func (r *round) stage(ctx context.Context) error {
	r.shape = NewShape(r.Seed)
	source := filepath.Join(r.dir, "source.db")
	if err := r.shape.Make(ctx, source); err != nil {
		return err
	}
	b, err := os.ReadFile(source)
	if err == nil {
		err = os.WriteFile(filepath.Join(r.dir, "oracle.db"), b, 0o644)
	}
	if err != nil {
		return err
	}
	if err := r.serve(); err != nil {
		return err
	}
	r.server.Put("shop", "app.db", b)
	r.url = r.server.Source("shop", "app.db")
	r.wal = r.shape.WAL || r.r.IntN(2) == 0
	r.drawFaults()
	r.note("shape %+v, wal %v", r.shape, r.wal)
	return nil
}

// drawFaults draws what may go wrong.
func (r *round) drawFaults() {
	r.mending, r.stopping = r.r.IntN(3) == 0, r.r.IntN(3) == 0
	r.slow = r.r.IntN(2) == 0
	r.rough = r.mending // its timeouts are short
	r.spoiling = CanInject() && r.r.IntN(5) == 0
	r.note("slow %v, source fails %v, calls fail %v, stops %v", r.slow, r.mending, r.spoiling, r.stopping)
}

// serve starts the server.
func (r *round) serve() error {
	r.server = s3test.New(s3test.Options{Seed: r.Seed, Network: network(r.r)})
	if err := r.server.Start(); err != nil {
		return err
	}
	r.server.CreateBucket("shop")
	for k, v := range r.server.Env() {
		r.env = append(r.env, k+"="+v)
	}
	return nil
}

func (r *round) note(format string, args ...any) {
	_, _ = fmt.Fprintf(r.log, "%9.3f "+format+"\n", append([]any{time.Since(r.began).Seconds()}, args...)...)
}

// fail takes down what must not be. The first is what counts.
func (r *round) fail(format string, args ...any) {
	err := fmt.Errorf(format, args...)
	r.note("FAILED: %v", err)
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.failed == nil {
		r.failed = err
	}
}

func (r *round) failure() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.failed
}

// spec is a child's, with what is common to all of one round.
func (r *round) spec(role string) Spec {
	p := sqlitevfs.Params{Timeout: 10 * time.Second, More: map[string]string{"_busy_timeout": "10000"}}
	if r.mending {
		p.Timeout = time.Duration(500+r.r.IntN(2500)) * time.Millisecond
	}
	switch n := r.r.IntN(4); {
	case n == 0 || r.slow:
		p.NoHydrate = true
	case n == 1:
		p.Bandwidth = pick(r.r, int64(50_000), 300_000, 2_000_000)
	}
	s := Spec{Role: role, Shape: r.shape, Path: r.path, Source: r.url, DSN: sqlitevfs.DSN(r.path, r.url, &p), Seed: r.r.Uint64(),
		Light: r.slow, Pause: pick(r.r, 0, 0, 3, 30), Reopen: pick(r.r, 0, 0, 10, 50), Oracle: filepath.Join(r.dir, "oracle.db")}
	s.Pragmas = []string{"PRAGMA synchronous=" + pick(r.r, "OFF", "NORMAL", "FULL"), fmt.Sprintf("PRAGMA cache_size=%d", pick(r.r, 5, 50, 2000))}
	if r.wal {
		s.Pragmas = append(s.Pragmas, "PRAGMA journal_mode=WAL", fmt.Sprintf("PRAGMA wal_autocheckpoint=%d", pick(r.r, 1, 20, 1000)))
	} else {
		s.Pragmas = append(s.Pragmas, "PRAGMA journal_mode="+pick(r.r, "DELETE", "TRUNCATE", "PERSIST"))
	}
	if r.r.IntN(4) == 0 {
		s.Pragmas = append(s.Pragmas, "PRAGMA mmap_size=100000000")
	}
	return s
}

// start starts a child, wrap being what runs it.
func (r *round) start(spec Spec, wrap []string) *Process {
	p, err := Start(Launch{Spec: spec, Env: r.env, Wrap: wrap, Stderr: r.log, Hear: r.hear})
	if err != nil {
		r.fail("start: %v", err)
		return nil
	}
	r.note("%s of %d is process %d %v %v", spec.Role, spec.Owner, p.cmd.Process.Pid, spec.Pragmas, wrap)
	r.Report.Add(Processes, 1)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.live = append(r.live, p)
	return p
}

// hear judges what a child says.
func (r *round) hear(p *Process, e Event) {
	if e.What != SaidHello && e.What != SaidAck && e.What != SaidReading && e.What != SaidSaw && e.What != SaidLooked {
		r.note("process %d: %s %d %d %s", p.cmd.Process.Pid, e.What, e.Seq, e.Code, e.Text)
	}
	switch e.What {
	case SaidStart, SaidAck:
		if err := r.acks.Note(p.Spec.Owner, e); err != nil {
			r.fail("process %d: %w", p.cmd.Process.Pid, err)
		}
	case SaidTrouble:
		r.Report.Add(Troubles, 1)
		if !r.excused(p, e) {
			r.fail("process %d, %s: %s (code %d)", p.cmd.Process.Pid, p.Spec.Role, e.Text, e.Code)
		}
	case SaidReading:
		last := r.acks.Last()
		r.mu.Lock()
		r.asked[p] = last
		r.mu.Unlock()
		p.Tell("go")
	case SaidSaw:
		r.saw(p, *e.Seqs)
	case SaidLooked:
		r.Report.Add(Looks, 1)
	case SaidBroken:
		r.fail("process %d, %s: %s", p.cmd.Process.Pid, p.Spec.Role, e.Text)
	case SaidChecked:
		r.Report.Add(RowsChecked, e.Rows)
		r.acks.Found(*e.Seqs)
	}
}

// saw demands that a reader finds what had been acknowledged when it began.
func (r *round) saw(p *Process, seqs [Owners]int64) {
	r.Report.Add(Reads, 1)
	r.mu.Lock()
	asked := r.asked[p]
	r.mu.Unlock()
	for owner, n := range asked {
		if seqs[owner] < n {
			r.fail("process %d reads commit %d of owner %d as the last one, %d was acknowledged before", p.cmd.Process.Pid, seqs[owner], owner, n)
		}
	}
}

// excused tells whether an error is one that this round brings about.
func (r *round) excused(p *Process, e Event) bool {
	if isBusy(e.Code) {
		return true
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if p.unreadable && primary(e.Code) == sqlite3.ErrCorrupt {
		return true // what SQLite's own VFS makes of EIO when it reads
	}
	return r.rough && (mayFail(e.Code) || strings.Contains(e.Text, "hydrant: ") || strings.HasPrefix(e.Text, "observe: ") || p.Spec.Blob.Size > 0)
}

func (r *round) setRough() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.rough = true
}

// life starts a cast, does them harm for a while, and ends them one way or another.
func (r *round) life(ctx context.Context) {
	r.rouse()
	for end := time.Now().Add(r.Life/4 + time.Duration(r.r.Int64N(int64(r.Life)*3/2))); time.Now().Before(end) && r.failure() == nil && ctx.Err() == nil; {
		rest(int64(5 + r.r.IntN(150)))
		r.harm()
		r.reap()
	}
	r.cont()
	switch r.r.IntN(4) {
	case 0: // the last ones end in good order
		for _, p := range r.living() {
			if r.r.IntN(2) == 0 {
				r.kill(p)
			}
		}
		r.endAll()
	case 1:
		r.endAll()
	default:
		r.killAll()
	}
	r.server.ClearFaults()
	r.stranger()
}

// rouse starts writers, readers and observers.
func (r *round) rouse() {
	if r.blob.Size > 0 {
		r.rouseBlob()
		return
	}
	owners := r.r.Perm(Owners)[:1+r.r.IntN(Owners)]
	for _, owner := range owners {
		s := r.spec(RoleWriter)
		s.Owner = owner
		r.start(s, r.wrap())
	}
	for range r.r.IntN(3) {
		r.start(r.spec(RoleReader), nil)
	}
	if r.r.IntN(2) == 0 {
		s := r.spec(RoleObserver)
		s.Pause = 50
		r.start(s, nil)
	}
}

// wrap is what has a child's system calls kill it or fail, nil for most.
func (r *round) wrap() []string {
	switch {
	case r.spoiling && r.r.IntN(3) == 0:
		r.setRough()
		r.Report.Add(Injections, 1)
		return failAt(r.r)
	case CanInject() && r.r.IntN(3) == 0:
		return killAt(r.r)
	}
	return nil
}

// harm does one thing to somebody.
func (r *round) harm() {
	live := r.living()
	if len(live) == 0 {
		r.rouse()
		return
	}
	p := live[r.r.IntN(len(live))]
	switch n := r.r.IntN(20); {
	case n < 5:
		r.kill(p)
		if r.r.IntN(3) > 0 {
			r.start(r.again(p), r.wrap())
		}
	case n < 6:
		for _, p := range live {
			r.kill(p)
		}
		r.rouse()
	case n < 9 && r.stopping:
		r.setRough() // who waits for one that is stopped gives up in time
		r.stop(p)
	case n < 12:
		r.cont()
	case n < 15 && r.mending:
		r.setRough()
		r.Report.Add(SourceFaults, 1)
		sourceFault(r.server, r.r)
	case n < 17:
		r.server.ClearFaults()
	case n < 18:
		on := r.r.IntN(3) > 0 && !r.slow
		r.tune(clone.Knobs{Hydration: &on})
	case n < 19:
		r.server.SetNetwork(network(r.r))
	default:
		r.stranger()
	}
}

// again is the spec of one that takes the place of p.
func (r *round) again(p *Process) Spec {
	if r.blob.Size > 0 {
		return r.blobSpec(p.Spec.Role, p.Spec.Owner)
	}
	s := r.spec(p.Spec.Role)
	s.Owner = p.Spec.Owner
	return s
}

func (r *round) tune(k clone.Knobs) {
	if err := clone.TunePath(r.path, k); err != nil && !errors.Is(err, os.ErrNotExist) {
		r.fail("tune: %w", err)
	}
}

// living are the children that have not ended.
func (r *round) living() []*Process {
	r.mu.Lock()
	defer r.mu.Unlock()
	return append([]*Process{}, r.live...)
}

func (r *round) kill(p *Process) {
	r.note("kill %d", p.cmd.Process.Pid)
	r.Report.Add(Kills, 1)
	p.Kill()
	r.forget(p)
}

func (r *round) killAll() {
	for _, p := range r.living() {
		p.shoot()
	}
	for _, p := range r.living() {
		r.kill(p)
	}
}

func (r *round) stop(p *Process) {
	r.note("stop %d", p.cmd.Process.Pid)
	r.Report.Add(Stops, 1)
	p.Signal(syscall.SIGSTOP)
	r.mu.Lock()
	defer r.mu.Unlock()
	r.stopped[p] = true
}

func (r *round) cont() {
	r.mu.Lock()
	defer r.mu.Unlock()
	for p := range r.stopped {
		p.Signal(syscall.SIGCONT)
		delete(r.stopped, p)
	}
}

// endAll has the children come to their ends, and waits for that.
func (r *round) endAll() {
	r.note("end all")
	for _, p := range r.living() {
		p.End()
	}
	for len(r.living()) > 0 && r.failure() == nil {
		rest(2)
		r.reap()
	}
}

// reap forgets the children that have ended, and fails for those that had no reason to, and for
// those that say nothing any more.
func (r *round) reap() {
	for _, p := range r.living() {
		select {
		case <-p.Done():
			r.forget(p)
			err := p.Wait()
			if WasKilled(err) && p.Wrapped() {
				r.note("%d died at a system call", p.cmd.Process.Pid)
				r.Report.Add(Deaths, 1)
			} else if p.Unstarted() {
				r.note("%d could not be started: a call failed that loads it", p.cmd.Process.Pid)
			} else if err != nil && !p.Killed.Load() {
				r.fail("process %d, %s: %w", p.cmd.Process.Pid, p.Spec.Role, err)
			}
		default:
			r.mu.Lock()
			stopped := r.stopped[p]
			r.mu.Unlock()
			if limit := patience(p.Spec.Role); !stopped && p.Silent() > limit && (p.Idle() || p.Silent() > 10*limit) {
				r.hung(p)
			}
		}
	}
}

// patience is for how long a child may say nothing. One that checks does thousands of transactions
// once more meanwhile.
func patience(role string) time.Duration {
	if role == RoleCheck || role == RoleFinish {
		return 5 * hangs
	}
	return hangs
}

func (r *round) forget(p *Process) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.stopped, p)
	delete(r.asked, p)
	for i, l := range r.live {
		if l == p {
			r.live = append(r.live[:i], r.live[i+1:]...)
			return
		}
	}
}

// hung has every child write down where it is.
func (r *round) hung(p *Process) {
	r.fail("process %d, %s, has said nothing for %v; where everybody is stands in the log", p.cmd.Process.Pid, p.Spec.Role, patience(p.Spec.Role))
	for _, p := range r.living() {
		p.Killed.Store(true)
		p.Signal(syscall.SIGCONT)
		p.Signal(syscall.SIGQUIT)
	}
	rest(3000)
	r.killAll()
}

// check runs a child that checks, alone, and returns when it has ended.
func (r *round) check(role string) {
	s := r.spec(role)
	s.Low, s.High = r.acks.Bounds()
	r.alone(s)
}

// alone runs one child, and returns when it has ended.
func (r *round) alone(s Spec) {
	r.start(s, nil)
	for len(r.living()) > 0 && r.failure() == nil {
		rest(2)
		r.reap()
	}
}
