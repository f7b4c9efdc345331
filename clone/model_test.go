package clone

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"pgregory.net/rapid"

	"hydrant/clone/state"
	"hydrant/clone/state/statetest"
	"hydrant/internal/crashdest"
	"hydrant/internal/faultio"
	"hydrant/internal/pattern"
	"hydrant/source"
	"hydrant/source/sourcetest"
)

// modelCount is what all runs of the model have done.
type modelCount struct {
	mu sync.Mutex // guards the rest
	n  map[string]int
}

func (c *modelCount) add(what string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.n == nil {
		c.n = map[string]int{}
	}
	c.n[what]++
}

func (c *modelCount) String() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	var parts []string
	for what, n := range c.n {
		parts = append(parts, fmt.Sprintf("%s %d", what, n))
	}
	slices.Sort(parts)
	return strings.Join(parts, ", ")
}

// machine is a computer with one clone, in use by up to three processes, and the model of it.
//
//   - A read returns what was written last, by whomever, and else what the source has (I2, I9).
//   - After kill -9, of one process or of all, that is still so (I5). What was under way has happened
//     or not, by sectors (I4).
//   - After power loss each sector has what it had at the last sync that succeeded, with any of the
//     changes since (I1, I3).
//   - After an operation has failed it may have happened in part. A call fails only while something is
//     wrong, and with an error that says what.
//   - Whole, dest is that too (I7).
type machine struct {
	t     *rapid.T
	count *modelCount

	content []byte
	opts    Options
	m       sectors
	src     *sourcetest.Fake
	slow    time.Duration // each request takes
	disk    *crashdest.Disk
	store   *statetest.Store
	power   sync.Mutex

	onDest, onState *faultio.Injector
	troubled        bool // something fails, or has since all were started anew
	live            []*process
	dead            []*process
	names           int // of processes
	story           story

	mu       sync.Mutex // guards the rest: a copy of the computer in the middle of something
	moments  int        // until it is made; 0: none is wanted
	midDisk  *crashdest.Disk
	midStore *statetest.Store
}

// hangs is how long a call may take that waits for nobody.
const hangs = 40 * time.Second

// blank is a computer with a clone that is made and all cold, which takes a while to come to.
type blank struct {
	disk  *crashdest.Disk
	store *statetest.Store
}

var (
	blanksMu sync.Mutex // guards blanks
	blanks   = map[string]blank{}
)

func (s *machine) blank(key string) (*crashdest.Disk, *statetest.Store) {
	blanksMu.Lock()
	defer blanksMu.Unlock()
	b, ok := blanks[key]
	if !ok {
		made := newComputer(new(crashdest.Disk), new(statetest.Store), s.content)
		opts := Options{RegionSize: s.opts.RegionSize, window: s.opts.window}
		quiet(&opts)
		c, err := Open(context.Background(), unclosed{sourcetest.NewFake(s.content)}, made.disk, made.store, &opts)
		if err != nil {
			s.t.Fatal(err)
		}
		kill(c)
		all := func(int) int { return 1 }
		i := slices.IndexFunc(made.moments, func(m moment) bool { return isLive(m.store) })
		m := made.moments[i]
		b = blank{m.disk.CrashAs(all, false), m.store.CrashAs(all, false, nil)}
		blanks[key] = b
	}
	return b.disk.CrashKeepAll(), b.store.Copy()
}

// begin begins with a new clone.
func (s *machine) begin() {
	t := s.t
	size := rapid.SampledFrom([]int64{0, 5, 16, 700, tinySize, 2048, 4096, 5300, 8192}).Draw(t, "size")
	s.opts = Options{RegionSize: 512 << rapid.IntRange(0, 2).Draw(t, "region"), window: 512}
	s.opts.Keep = rapid.Bool().Draw(t, "keep")
	s.opts.Knobs.Timeout = new(3 * time.Second)
	s.story.lines = nil
	s.content = pattern.Blob{Seed: 3}.Bytes(size)
	if size > 600 {
		clear(s.content[size/4 : size/2])
	}
	s.src = sourcetest.NewFake(s.content)
	s.slow = 0
	if rapid.IntRange(0, 2).Draw(t, "slow") == 0 {
		s.slow = 2 * time.Millisecond
	}
	s.onDest, s.onState = new(faultio.Injector), new(faultio.Injector)
	s.well()
	s.m = newSectors(s.content)
	if size < state.FirstBytes || rapid.IntRange(0, 9).Draw(t, "made") == 0 {
		s.have(new(crashdest.Disk), new(statetest.Store)) // the first request brings all of it
	} else {
		s.have(s.blank(fmt.Sprint(size, s.opts.RegionSize)))
	}
	s.note("begun: %d bytes, regions of %d, keep %v", size, s.opts.RegionSize, s.opts.Keep)
	s.attach(rapid.IntRange(0, 2).Draw(t, "quiet") > 0)
}

// have puts files into the computer.
func (s *machine) have(disk *crashdest.Disk, store *statetest.Store) {
	s.disk, s.store = disk, store
	disk.Moment, disk.Power = func() { s.moment(disk, store) }, &s.power
	store.Follow(func() { s.moment(disk, store) }, &s.power)
}

func (s *machine) moment(disk *crashdest.Disk, store *statetest.Store) {
	store.Note()
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.moments == 0 {
		return
	}
	if s.moments--; s.moments == 0 {
		s.midDisk, s.midStore = disk.CrashKeepAll(), store.Copy()
	}
}

// attach starts a process. When it is the first, and the clone turns out to be complete and a plain
// file, that is compared and another begun.
func (s *machine) attach(calm bool) {
	p := newProcess()
	opts := s.opts
	if p.quiet = calm; calm {
		quiet(&opts)
	}
	first := len(s.live) == 0
	store := &processStore{Store: &faultyStore{s.store, s.onState}, p: p}
	ctx, cancel := context.WithTimeout(context.Background(), hangs)
	defer cancel()
	c, err := Open(ctx, unclosed{s.src}, &processTarget{&faultyDisk{s.disk, s.onDest}, p}, store, &opts)
	switch {
	case errors.Is(err, ErrPlain) && s.store.Image() == nil:
		if err := s.m.is(s.disk.Image()); err != nil {
			s.wrong("detached: %v", err)
		}
		s.count.add("detached")
		s.begin()
		return
	case err != nil && s.troubled && ctx.Err() == nil && allowedFailure(err):
		s.count.add("opening failed")
		s.note("opening failed: %v", err)
		if first {
			s.m.lost() // it may have been on the way to read-only
		}
		return
	case err != nil:
		s.wrong("open: %v", err)
	}
	p.c, p.files = c, store
	s.live = append(s.live, p)
	s.names++
	p.name = s.names
	s.note("attached: %d, first %v quiet %v", p.name, first, calm)
	if !first {
		s.count.add("joined")
		return
	}
	if c.mode() != state.ReadWrite {
		s.m.lost()
		s.troubled = true
		s.count.add("opened read-only")
	}
	s.compare()
}

// compare reads all that a kill of all would leave now, and takes that for what it is from now on. The
// clone itself stays as cold as it is.
func (s *machine) compare() {
	if s.troubled || len(s.live) == 0 {
		return
	}
	disk, store := s.copies()
	opts := s.opts
	quiet(&opts)
	b, n := make([]byte, modelMost+1), 0
	c, err := Open(context.Background(), unclosed{sourcetest.NewFake(s.content)}, disk, store, &opts)
	switch {
	case errors.Is(err, ErrPlain) && store.Image() == nil:
		n = copy(b, disk.Image())
	case err != nil:
		s.wrong("open a copy of all: %v", err)
	default:
		if n, err = c.ReadAt(context.Background(), b, 0); err != io.EOF {
			s.wrong("read all: %v", err)
		}
		kill(c)
	}
	if err := s.m.is(b[:n]); err != nil {
		s.differs(b[:n])
		s.wrong("read all: %v", err)
	}
	since, size := s.m.since, s.m.sinceSize
	s.m.settled(b[:n])
	s.m.since, s.m.sinceSize = since, size
}

// check looks at dest without the engine.
func (s *machine) check() {
	for _, p := range s.live {
		if img := s.disk.Image(); p.c.phase() == state.Live && len(img) >= state.FirstBytes && !state.IsGuard(img) {
			s.t.Fatal("no guard on disk")
		}
	}
}

// errOver is returned by call when the process is no more.
var errOver = errors.New("cut off")

// call does one call of p, and tells the model what is known of it. Now and then it is cut off: the
// process is killed, all are, or power is lost.
func (s *machine) call(p *process, what string, e *edit, f func(ctx context.Context, c *Clone) error) error {
	s.count.add(what)
	ctx, cancel := context.WithTimeout(context.Background(), hangs/2)
	defer cancel()
	fate := rapid.IntRange(0, 19).Draw(s.t, "fate")
	switch {
	case fate == 0 && p.quiet && len(s.live) > 1:
		p.dieAfter(rapid.IntRange(0, 7).Draw(s.t, "dies"))
	case fate == 1 || fate == 2:
		s.mu.Lock()
		s.moments = rapid.IntRange(1, 7).Draw(s.t, "moment")
		s.mu.Unlock()
	}
	beside := func() error { return nil }
	if e != nil && fate != 0 {
		beside = s.beside(ctx, e)
	}
	done := make(chan error, 1)
	go func() { done <- f(ctx, p.c) }()
	var err error
	select {
	case err = <-done:
		p.dieAfter(-1)
	case <-p.died:
		s.count.add("killed in " + what)
		s.note("%s by %d: killed in it", what, p.name)
		if e != nil {
			s.m.edit(*e, false, s.troubled) // a fault may have left half of it just before
		}
		s.drop(p)
		return errOver
	case <-time.After(hangs):
		s.wrong("%s hangs", what)
	}
	if err := beside(); err != nil && (!s.troubled || !allowedFailure(err)) {
		s.wrong("hydrate beside %s: %v", what, err)
	}
	if ctx.Err() != nil {
		s.wrong("%s hangs: %v", what, err)
	}
	if err != nil && (!s.troubled || !allowedFailure(err)) {
		s.wrong("%s: %v", what, err)
	}
	if err != nil {
		s.count.add(what + " failed")
	}
	s.mu.Lock()
	disk, store := s.midDisk, s.midStore
	s.midDisk, s.midStore, s.moments = nil, nil, 0
	s.mu.Unlock()
	if e != nil {
		s.m.edit(*e, err == nil && disk == nil, err != nil)
	}
	s.note("%s by %d: %v, cut off %v", what, p.name, err, disk != nil)
	if disk != nil {
		s.count.add("cut off in " + what)
		s.crash(disk, store, fate == 1, true)
		return errOver
	}
	return err
}

// beside has one of the processes hydrate what e changes, or is in the middle of it, while that happens:
// whoever copies from the source and whoever writes are in each other's way. It returns what waits for
// the end of that.
func (s *machine) beside(ctx context.Context, e *edit) (wait func() error) {
	if rapid.IntRange(0, 2).Draw(s.t, "beside") > 0 {
		return func() error { return nil }
	}
	q := s.live[rapid.IntRange(0, len(s.live)-1).Draw(s.t, "by")]
	s.count.add("hydrated beside it")
	done := make(chan error, 1)
	go func() { done <- q.c.Hydrate(ctx, int64(e.lo), int64(len(e.p))) }()
	return func() error { return <-done }
}

// drop takes a process that was killed off the list, and its locks.
func (s *machine) drop(p *process) {
	s.live = slices.DeleteFunc(s.live, func(q *process) bool { return p == q })
	s.dead = append(s.dead, p)
	time.Sleep(time.Millisecond) // for what it has between two operations
	for _, f := range p.files.files {
		f.Close()
	}
	if len(s.live) == 0 {
		s.attach(false)
	}
}

// end ends every process.
func (s *machine) end() {
	for _, p := range append(s.live, s.dead...) { // one of the living may have died behind the scenes just now
		p.bury()
	}
	s.live, s.dead = nil, nil
}

// copies are the files as they are now.
func (s *machine) copies() (*crashdest.Disk, *statetest.Store) {
	s.power.Lock()
	defer s.power.Unlock()
	return s.disk.CrashKeepAll(), s.store.Copy()
}

// crash goes on from files of some moment, after kill -9 of all or power loss.
func (s *machine) crash(disk *crashdest.Disk, store *statetest.Store, power, within bool) {
	rng := rand.New(rand.NewPCG(rapid.Uint64().Draw(s.t, "seed"), 1))
	s.end()
	switch {
	case power:
		s.count.add("power losses")
		disk, store = disk.Crash(rng), store.Crash(rng)
		s.well()
		s.m.lost()
	case within:
		s.count.add("kills of all")
		disk, store = disk.KillAs(rng.IntN), store.KillAs(rng.IntN)
	default:
		s.count.add("kills of all")
	}
	s.have(disk, store)
	s.note("crash, power %v, within %v", power, within)
	s.attach(rng.IntN(3) > 0)
	if power && !s.troubled && len(s.live) > 0 {
		s.m.found()
	}
}

// well ends every fault.
func (s *machine) well() {
	s.onDest.Inject()
	s.onState.Inject()
	s.src.Plan(sourcetest.Always(sourcetest.Fault{Latency: s.slow}))
	s.troubled = false
}

// mend ends every fault, and recovers the clone when that is needed.
func (s *machine) mend() {
	disk, store := s.copies()
	s.end()
	s.well()
	s.have(disk, store)
	s.note("mend")
	r, err := Recover(disk, store)
	s.note("recovered: %v %v", r, err)
	if err != nil {
		s.wrong("recover: %v", err)
	}
	if r.Mode != state.ReadWrite.String() {
		s.count.add("recovered")
		s.m.lost()
	}
	s.attach(true)
	if r.Mode != state.ReadWrite.String() && len(s.live) > 0 {
		s.m.found()
	}
	if s.troubled {
		s.wrong("recovered, and it is %v: %+v", s.live[0].c.mode(), s.live[0].c.Status())
	}
}

// adopt goes on from a copy that was made while all were killed.
func (s *machine) adopt() {
	if s.troubled {
		return
	}
	was, err := s.live[0].c.Size()
	if err != nil {
		s.t.Fatal(err)
	}
	disk, store := s.copies()
	store = store.Elsewhere()
	if c, err := Open(context.Background(), unclosed{s.src}, disk, store, &s.opts); !errors.Is(err, ErrCopied) {
		if err == nil {
			kill(c)
		}
		s.wrong("open a copy: %v", err)
	}
	s.spoil(disk, store)
	if _, err := Adopt(disk, store); err != nil {
		if errors.Is(err, ErrUnfit) && was < int64(len(s.content)) {
			return
		}
		s.wrong("adopt: %v", err)
	}
	s.count.add("adopted")
	s.note("adopted")
	s.end()
	s.have(disk, store)
	if !state.IsGuard(disk.Image()) {
		s.attach(true) // it was whole, and is taken as it is
		return
	}
	s.m.copied()
	s.attach(true)
	s.m.synced() // adopting has made certain what dest holds, and which of it counts
}

// spoil makes a copy one whose dest was not copied well, but for what the maps have as written: nothing
// else of it need be believed.
func (s *machine) spoil(disk *crashdest.Disk, store *statetest.Store) {
	f, err := store.Open()
	if err != nil {
		s.t.Fatal(err)
	}
	defer f.Close()
	st, err := state.Load(f)
	if err != nil {
		s.t.Fatal(err)
	}
	durable, err := state.OpenDurable(f, st.Layout, st.Super.UUID)
	if err != nil {
		s.t.Fatal(err)
	}
	d, err := disk.Open()
	if err != nil {
		s.t.Fatal(err)
	}
	defer d.Close()
	size := int64(len(disk.Image()))
	if size < int64(len(s.content)) || !state.IsGuard(disk.Image()) {
		return // it is refused, or whole
	}
	maps, _ := durable.Maps()
	geo := newGeometry(st.Super.Size, st.Super.RegionSize)
	for r := range geo.count {
		if maps[state.Written][r/64]>>(r%64)&1 == 1 {
			continue
		}
		off, n := geo.bytes(span{r, r + 1})
		skip := max(state.FirstBytes-off, 0)
		if _, err := d.WriteAt(bytes.Repeat([]byte("?"), int(n-skip)), off+skip); err != nil {
			s.t.Fatal(err)
		}
	}
}

// fail makes something go wrong.
func (s *machine) fail() {
	t := s.t
	fault := faultio.Fault{
		Op:     rapid.SampledFrom([]faultio.Op{faultio.Any, faultio.Sync, faultio.Write}).Draw(t, "op"),
		K:      rapid.IntRange(1, 5).Draw(t, "k"),
		Err:    rapid.SampledFrom([]error{syscall.EIO, syscall.ENOSPC, syscall.EINTR}).Draw(t, "err"),
		Sticky: rapid.Bool().Draw(t, "sticky"),
		Short:  rapid.Bool().Draw(t, "short"),
	}
	s.troubled = true
	where := rapid.SampledFrom([]string{"dest", "state", "source"}).Draw(t, "where")
	s.count.add("faults of " + where)
	s.note("fault %s %v", where, fault)
	switch where {
	case "dest":
		s.onDest.Inject(fault)
	case "state":
		s.onState.Inject(fault)
	case "source":
		if !fault.Sticky {
			s.src.Plan(sourcetest.First(1, sourcetest.Fault{Err: sourcetest.Reset(), After: 100}))
			s.src.Forget()
			return
		}
		s.src.Plan(sourcetest.Always(sourcetest.Fault{Err: source.WithKind(fmt.Errorf("no answer (%w)", source.ErrNotFound), source.Final)}))
	}
}

// modelChecks is how many runs of the model there are when -rapid.checks says nothing; few where time is
// short.
const modelChecks, fewModelChecks = 300, 40

// TestModel has up to three processes do what they can to a clone that begins cold, while they are
// killed, one or all, also in the middle of a call; power is lost, torn and out of order, in both
// files; operations on dest, on the state file and at the source fail; the clone is recovered,
// adopted, completed, detached. What is read is always what the model allows. Nothing hangs.
func TestModel(t *testing.T) {
	if checks := flag.Lookup("rapid.checks").Value; checks.String() == flag.Lookup("rapid.checks").DefValue {
		was, n := checks.String(), modelChecks
		if testing.Short() || raceDetector {
			n = fewModelChecks
		}
		checks.Set(fmt.Sprint(n))
		defer checks.Set(was)
	}
	var count modelCount
	runs := 0
	told := story{told: new(sync.Once), to: t}
	rapid.Check(t, func(t *rapid.T) {
		runs++
		s := &machine{t: t, count: &count, story: told}
		defer func() { s.end() }()
		s.begin()
		t.Repeat(s.actions())
		s.t = t
		if s.troubled {
			s.mend()
		}
		s.who()
		s.compare()
	})
	t.Log(&count)
	if runs < modelChecks {
		return
	}
	for _, what := range []string{"cold reads", "kills of all", "kills of one", "power losses", "joined", "recovered", "adopted", "detached"} {
		if count.n[what] == 0 {
			t.Errorf("nothing of what was tried: %s", what)
		}
	}
}
