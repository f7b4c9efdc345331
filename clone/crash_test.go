package clone

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"syscall"
	"testing"

	"hydrant/clone/state"
	"hydrant/dest"
	"hydrant/internal/crashdest"
	"hydrant/internal/faultio"
	"hydrant/source/sourcetest"
)

// life counts what a process does to its files and ends it after the k-th: from then on nothing has
// an effect, and everything is an error.
type life struct {
	store *state.MemoryStore

	mu    sync.Mutex
	left  int // operations until death
	dead  bool
	image []byte // of the state file at death, shared memory and all
}

var errDead = errors.New("dead")

func (l *life) step() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.left == 0 {
		if !l.dead {
			l.dead, l.image = true, l.store.Image()
		}
		return errDead
	}
	l.left--
	return nil
}

func (l *life) isDead() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.dead
}

// over ends the life, and leaves the state file as it was at death.
func (l *life) over() {
	l.step()
	l.store.SetImage(l.image)
}

// last tells whether the next step is the one before death: it may be half done.
func (l *life) last() bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.left == 1
}

type mortalTarget struct {
	dest.Target
	l *life
}

// Create can die before it begins, at each operation of fill, and before it gives what it made its
// name.
func (t *mortalTarget) Create(fill func(dest.Dest) error) error {
	if err := t.l.step(); err != nil {
		return err
	}
	return t.Target.Create(func(d dest.Dest) error {
		if err := fill(&mortalDest{d, t.l}); err != nil {
			return err
		}
		return t.l.step()
	})
}

func (t *mortalTarget) Open() (dest.Dest, error) {
	d, err := t.Target.Open()
	return &mortalDest{d, t.l}, err
}

type mortalDest struct {
	dest.Dest
	l *life
}

func (d *mortalDest) WriteAt(p []byte, off int64) (int, error) {
	if err := d.l.step(); err != nil {
		return 0, err
	}
	return d.Dest.WriteAt(p, off)
}

func (d *mortalDest) Truncate(size int64) error {
	if err := d.l.step(); err != nil {
		return err
	}
	return d.Dest.Truncate(size)
}

func (d *mortalDest) Sync() error {
	if err := d.l.step(); err != nil {
		return err
	}
	return d.Dest.Sync()
}

func (d *mortalDest) DropCache() error {
	if err := d.l.step(); err != nil {
		return err
	}
	if p, ok := d.Dest.(dest.Dropper); ok {
		return p.DropCache()
	}
	return nil
}

// mortalStore makes Create and Remove mortal too.
type mortalStore struct {
	*state.MemoryStore
	l *life
}

func (s *mortalStore) Open() (state.File, error) {
	f, err := s.MemoryStore.Open()
	if err != nil {
		return nil, err
	}
	return &mortalFile{f, s.l}, nil
}

func (s *mortalStore) Create(fill func(state.File) error) error {
	if err := s.l.step(); err != nil {
		return err
	}
	return s.MemoryStore.Create(fill)
}

func (s *mortalStore) Replace(fill func(state.File) error) error {
	if err := s.l.step(); err != nil {
		return err
	}
	return s.MemoryStore.Replace(fill)
}

func (s *mortalStore) Remove() error {
	if err := s.l.step(); err != nil {
		return err
	}
	return s.MemoryStore.Remove()
}

type mortalFile struct {
	state.File
	l *life
}

func (f *mortalFile) WriteSync(p []byte, off int64) error {
	torn := f.l.last()
	if err := f.l.step(); err != nil {
		return err
	}
	if torn { // power went in the middle
		f.File.WriteSync(p[:len(p)/2/8*8], off)
		return f.l.step()
	}
	return f.File.WriteSync(p, off)
}

// step is one operation of a workload, on the clone and on a plain array of bytes.
type step struct {
	name string
	do   func(ctx context.Context, c *Clone) error
	is   func(b []byte) []byte // nil: changes nothing
	sync bool
}

func fill(b byte, n int) []byte { return bytes.Repeat([]byte{b}, n) }

func writeStep(off int64, p []byte) step {
	return step{
		name: fmt.Sprintf("write %d at %d", len(p), off),
		do: func(ctx context.Context, c *Clone) error {
			_, err := c.WriteAt(ctx, p, off)
			return err
		},
		is: func(b []byte) []byte {
			if end := off + int64(len(p)); end > int64(len(b)) {
				b = append(b, make([]byte, end-int64(len(b)))...)
			}
			copy(b[off:], p)
			return b
		},
	}
}

func truncateStep(size int64) step {
	return step{
		name: fmt.Sprintf("truncate to %d", size),
		do:   func(ctx context.Context, c *Clone) error { return c.Truncate(ctx, size) },
		is: func(b []byte) []byte {
			if size <= int64(len(b)) {
				return b[:size:size]
			}
			return append(b, make([]byte, size-int64(len(b)))...)
		},
	}
}

func discardStep(off, n int64) step { // of whole regions
	return step{
		name: fmt.Sprintf("discard %d at %d", n, off),
		do:   func(ctx context.Context, c *Clone) error { return c.Discard(ctx, off, n) },
		is:   func(b []byte) []byte { clear(b[off : off+n]); return b },
	}
}

var syncStep = step{name: "sync", do: func(ctx context.Context, c *Clone) error { return c.Sync(ctx) }, sync: true}

func hydrateStep(off, n int64) step {
	return step{name: "hydrate", do: func(ctx context.Context, c *Clone) error { return c.Hydrate(ctx, off, n) }}
}

// workloads go through everything that changes a clone, each to its completion. Regions are of 512
// bytes, the source of 80,000, of which the first request brings 65,536.
var workloads = map[string][]step{
	"read": {hydrateStep(70_000, 100), syncStep, hydrateStep(0, 80_000)},
	"write": {
		writeStep(66_000, fill('a', 100)), writeStep(0, fill('b', 40)), syncStep,
		writeStep(66_560, fill('c', 1024)), writeStep(8, fill('d', 4)), hydrateStep(0, 80_000),
		writeStep(79_990, fill('e', 100)), syncStep, writeStep(0, fill('f', 16)),
	},
	"cut": {
		truncateStep(70_000), syncStep, truncateStep(80_100), writeStep(75_000, fill('a', 10)), syncStep,
		truncateStep(600), truncateStep(90_000), hydrateStep(0, 80_000),
	},
	"overwrite": {writeStep(66_560, fill('a', 1024)), writeStep(79_872, fill('b', 200)), syncStep, writeStep(70_144, fill('c', 512)), hydrateStep(0, 80_000)},
	"cut short": {writeStep(3, fill('a', 4)), truncateStep(16), syncStep, truncateStep(20)},
	"over": {
		writeStep(66_000, fill('a', 3000)), writeStep(10, fill('b', 3000)), syncStep,
		writeStep(66_100, fill('c', 2000)), writeStep(0, fill('d', 2000)), syncStep, hydrateStep(0, 80_000),
		writeStep(66_200, fill('e', 600)), syncStep,
	},
	"discard": {discardStep(66_560, 2048), discardStep(0, 512), syncStep, writeStep(67_000, fill('a', 10)), hydrateStep(0, 80_000)},
}

// sweep runs a workload until death at the k-th operation, for each k, and hands over what is left.
func sweep(t *testing.T, content []byte, steps []step, kept bool, check func(r *rig, m *model, died bool, k int)) {
	ctx := context.Background()
	for k := 1; ; k++ {
		disk := &crashdest.Disk{}
		store := &state.MemoryStore{}
		l := &life{left: k, store: store}
		r := &rig{t: t, content: content, src: sourcetest.NewFake(content), dst: disk, store: store}
		r.opts.RegionSize = 512
		quiet(&r.opts)
		r.opts.Keep = kept
		m := &model{cur: bytes.Clone(content)}
		m.synced()

		c, err := Open(ctx, unclosed{r.src}, &mortalTarget{disk, l}, &mortalStore{store, l}, &r.opts)
		for i := 0; err == nil && i < len(steps); i++ {
			s := steps[i]
			before := m.cur
			if s.is != nil {
				// It may have been done when its error is returned, or in part.
				m.cur = s.is(bytes.Clone(m.cur))
				m.past = append(m.past, bytes.Clone(m.cur))
			}
			err = s.do(ctx, c)
			if l.isDead() {
				// Here, or behind the back of this step, which then was for nobody.
				err, m.maybe = errDead, before
				break
			} else if err != nil {
				t.Fatalf("%s: %v, and it lives", s.name, err)
			}
			if s.sync {
				m.synced()
			}
		}
		if c != nil && err == nil {
			if err = c.Close(); err == nil {
				m.synced()
			}
		}
		died := err != nil
		if c != nil && died {
			kill(c)
		}
		if died {
			l.over()
		}
		check(r, m, died, k)
		if !died {
			if k < 8 {
				t.Fatalf("only %d operations", k)
			}
			return
		}
	}
}

// reopen opens what is left. nil: complete and detached.
func (r *rig) reopen(what string) []byte {
	r.t.Helper()
	c, err := r.tryOpen()
	if err != nil {
		if errors.Is(err, ErrPlain) && r.store.Image() == nil {
			return r.image()
		}
		r.t.Fatalf("%s: open: %v", what, err)
	}
	// The phase may change while we look at dest.
	before, img := c.phase(), r.image()
	if c.phase() == state.Live && !state.IsGuard(img) {
		r.t.Fatalf("%s: live, and there is no guard on disk", what)
	} else if before == state.Complete && len(r.content) >= 16 && state.IsGuard(img) {
		r.t.Fatalf("%s: complete, and there is a guard on disk", what)
	}
	got := make([]byte, 200_000)
	n, err := c.ReadAt(context.Background(), got, 0)
	if err != io.EOF {
		r.t.Fatalf("%s: read: %v", what, err)
	}
	return got[:n]
}

// A process that dies at any operation loses nothing that was answered (I5), and the next one finds
// a clone that can be finished.
func TestDeathAtEachOperation(t *testing.T) {
	content := crashContent()
	for name, steps := range workloads {
		check := func(r *rig, m *model, died bool, k int) {
			what := fmt.Sprintf("%s, death at operation %d", name, k)
			disk := r.dst.(*crashdest.Disk)
			r.dst = disk.CrashKeepAll()
			got := r.reopen(what)
			if i, ok := m.isNow(got); !ok {
				t.Fatalf("%s: byte %d of %d is wrong", what, i, len(got))
			}
			finish(r, what, got)
		}
		sweep(t, content, steps, true, check)
		sweep(t, content, steps, false, check)
	}
}

// The same with power lost: what was synced is there, and the rest is there or not, region by
// region and byte by byte from what was written (I1 to I4).
func TestPowerLossAtEachOperation(t *testing.T) {
	content := crashContent()
	seeds := uint64(10)
	if testing.Short() || raceDetector {
		seeds = 1
	}
	for name, steps := range workloads {
		check := func(r *rig, m *model, died bool, k int) {
			disk, img := r.dst.(*crashdest.Disk), r.store.Image()
			for seed := range seeds {
				what := fmt.Sprintf("%s, power lost at operation %d, seed %d", name, k, seed)
				r.dst = disk.Crash(newRand(seed))
				r.store.Mount++
				r.store.SetImage(img)
				got := r.reopen(what)
				if i, ok := m.allows(got); !ok {
					t.Fatalf("%s: byte %d of %d cannot be", what, i, len(got))
				}
				finish(r, what, got)
			}
		}
		sweep(t, content, steps, true, check)
		sweep(t, content, steps, false, check)
	}
}

func crashContent() []byte {
	content := make([]byte, 80_000)
	for i := range content {
		content[i] = byte(i*7+i>>8) | 1 // never zero, never a letter that a step writes by chance
		if content[i] >= 'a' && content[i] <= 'f' {
			content[i] = 'z'
		}
	}
	clear(content[68_000:69_000])
	return content
}

// finish completes what was left, and compares.
func finish(r *rig, what string, want []byte) {
	r.t.Helper()
	if r.store.Image() == nil {
		return
	}
	want = bytes.Clone(want)
	on := true
	r.c.Tune(Knobs{Hydration: &on})
	r.hydrateAll()
	r.wait()
	r.c.Detach(context.Background())
	if err := r.c.Close(); err != nil {
		r.t.Fatalf("%s: close: %v", what, err)
	}
	if i := differ(r.image(), want); i >= 0 {
		r.t.Fatalf("%s: in the end dest differs at byte %d", what, i)
	}
	if r.store.Image() != nil {
		r.t.Fatalf("%s: in the end the state file is there", what)
	}
}

// Each operation on dest, or on the state file, fails once or from then on: no read ever returns a
// wrong byte, then or after any of what may follow.
func TestNoWrongByteAfterAnyFault(t *testing.T) {
	ctx := context.Background()
	content := crashContent()
	for name, steps := range workloads {
		for _, fault := range []faultio.Fault{
			{Err: syscall.EIO}, {Err: syscall.EIO, Sticky: true}, {Err: syscall.ENOSPC}, {Err: syscall.ENOSPC, Short: true, Sticky: true},
		} {
			for _, where := range []string{"dest", "state"} {
				for k := 1; ; k++ {
					if (testing.Short() || raceDetector) && k%3 != 0 && k > 4 {
						continue
					}
					r := &rig{t: t, content: content, src: sourcetest.NewFake(content), dst: &crashdest.Disk{}, store: &state.MemoryStore{}}
					r.opts.RegionSize = 512
					quiet(&r.opts)
					keep(&r.opts)
					inner := r.dst
					onDest, onState := faulty(r)
					r.open()
					faults := onDest
					if where == "state" {
						faults = onState
					}
					fault.K = k
					faults.Inject(fault)
					m := &model{cur: bytes.Clone(content)}
					m.synced()
					what := fmt.Sprintf("%s, %s: %v", name, where, fault)
					over := true
					for _, s := range steps {
						before := m.cur
						if s.is != nil {
							m.cur = s.is(bytes.Clone(m.cur))
							m.past = append(m.past, bytes.Clone(m.cur))
						}
						err := s.do(ctx, r.c)
						if err != nil && !faultio.Injected(err) && !errors.Is(err, ErrReadOnly) {
							t.Fatalf("%s: %s: %v", what, s.name, err)
						}
						if err != nil && s.is != nil {
							// Done, or not, or in part: go on from what it is.
							over = false
							faults.Inject()
							got := readAll(r)
							m.maybe = before
							if i, ok := m.isNow(got); !ok {
								t.Fatalf("%s: after %s failed, byte %d of %d is wrong", what, s.name, i, len(got))
							}
							m.cur, m.maybe = bytes.Clone(got), nil
							m.past = append(m.past, bytes.Clone(got))
							break
						}
						if err == nil && s.sync {
							m.synced()
						}
					}
					over = over && faults.Hits() == 0
					faults.Inject()
					if i, ok := m.isNow(readAll(r)); !ok {
						t.Fatalf("%s: byte %d is wrong", what, i)
					}
					kill(r.c)
					ro := r.c.mode() != state.ReadWrite // the keeper may have tried until now
					r.store.Wrap, r.dst = nil, inner
					got := r.reopen(what)
					if ro {
						// What could not be synced is not known; what was is there.
						if i, ok := m.allows(got); !ok {
							t.Fatalf("%s: reopened read-only: byte %d of %d cannot be", what, i, len(got))
						}
					} else {
						if i, ok := m.isNow(got); !ok {
							t.Fatalf("%s: reopened: byte %d of %d is wrong", what, i, len(got))
						}
						finish(r, what, got)
					}
					r.c.Close()
					if over {
						break
					}
				}
			}
		}
	}
}

func readAll(r *rig) []byte {
	r.t.Helper()
	got := make([]byte, 200_000)
	n, err := r.c.ReadAt(context.Background(), got, 0)
	if err != io.EOF {
		r.t.Fatalf("read all: %v", err)
	}
	return got[:n]
}
