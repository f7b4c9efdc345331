package clone

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/anishathalye/porcupine"

	"hydrant/clone/state/statetest"
	"hydrant/dest"
	"hydrant/internal/crashdest"
	"hydrant/source/sourcetest"
)

// Cells are halves of regions: each is a register that is written and read whole. The first begins
// behind the guard. What is past dest's end counts as zeros: growing makes that true.
const (
	cells     = 8
	cellSize  = 256
	cellsFrom = 16 // of the first
)

// Values of a cell. A write has one of its own from 1 on.
const (
	zeroed   = 0
	original = 0x80
	torn     = -1
)

func cellRange(i int) (lo, hi int) { return max(i*cellSize, cellsFrom), (i + 1) * cellSize }

// valueOf is what cell i of b is, which may end before it.
func valueOf(b, content []byte, i int) int {
	lo, hi := cellRange(i)
	cell := make([]byte, hi-lo)
	copy(cell, b[min(lo, len(b)):min(hi, len(b))])
	switch {
	case bytes.Equal(cell, content[lo:hi]):
		return original
	case bytes.Count(cell, cell[:1]) == len(cell) && cell[0] < original:
		return int(cell[0])
	}
	return torn
}

// access is one call as one of its cells has seen it.
type access struct {
	cell      int
	write     bool
	value     int // written, or read
	call, ret int64
	client    int
}

// pending is when an access returns whose call has not.
const pending = math.MaxInt64

// register is the specification of a cell.
var register = porcupine.Model{
	Partition: func(history []porcupine.Operation) [][]porcupine.Operation {
		parts := make([][]porcupine.Operation, cells)
		for _, o := range history {
			i := o.Input.(access).cell
			parts[i] = append(parts[i], o)
		}
		return parts
	},
	Init: func() any { return original },
	Step: func(state, input, _ any) (bool, any) {
		a := input.(access)
		if a.write {
			return true, a.value
		}
		return state == a.value, state
	},
	DescribeOperation: func(input, _ any) string {
		a := input.(access)
		if a.write {
			return fmt.Sprintf("cell %d = %d", a.cell, a.value)
		}
		return fmt.Sprintf("cell %d is %d", a.cell, a.value)
	},
}

// clients is a run of several goroutines on one clone, with the history of what each cell has seen.
type clients struct {
	content []byte
	clock   atomic.Int64
	values  atomic.Int64

	mu      sync.Mutex // guards the rest
	history []*access
	synced  [][2]int64 // call and return of each Sync
}

// begin puts accesses of one call into the history: pending, until the returned function is called,
// which reads want a value from.
func (r *clients) begin(client int, which []int, write bool, value int) (end func(got []byte)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	call := r.clock.Add(1)
	var mine []*access
	for _, i := range which {
		mine = append(mine, &access{cell: i, write: write, value: value, call: call, ret: pending, client: client})
	}
	r.history = append(r.history, mine...)
	return func(got []byte) {
		r.mu.Lock()
		defer r.mu.Unlock()
		ret := r.clock.Add(1)
		for _, a := range mine {
			a.ret = ret
			if !write {
				a.value = valueOf(got, r.content, a.cell)
			}
		}
	}
}

// until is the history as it was at time: what began later has not happened, and of what had not
// returned nobody knows.
func (r *clients) until(time int64) (history []access) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, a := range r.history {
		if a.call >= time {
			continue
		}
		seen := *a
		if seen.ret > time {
			seen.ret = pending
		}
		if seen.write || seen.ret != pending {
			history = append(history, seen)
		}
	}
	return history
}

// linear tells whether there is an order of the history in which every read is right. An error
// shows the cells for which there is none.
func linear(history []access) error {
	var ops []porcupine.Operation
	for _, a := range history {
		ops = append(ops, porcupine.Operation{ClientId: a.client, Input: a, Call: a.call, Return: a.ret})
	}
	switch porcupine.CheckOperationsTimeout(register, ops, 30*time.Second) {
	case porcupine.Ok:
		return nil
	case porcupine.Unknown:
		return errors.New("not known whether it is linearizable")
	}
	for i, part := range register.Partition(ops) {
		if porcupine.CheckOperations(register, part) {
			continue
		}
		slices.SortFunc(part, func(a, b porcupine.Operation) int { return int(a.Call - b.Call) })
		var b strings.Builder
		for _, o := range part {
			fmt.Fprintf(&b, "\n  [%d, %d] client %d: %s", o.Call, o.Return, o.ClientId, register.DescribeOperation(o.Input, nil))
		}
		return fmt.Errorf("cell %d is no register:%s", i, b.String())
	}
	return errors.New("not linearizable")
}

// client does n calls on c, and stops at the first that fails, whose outcome nobody knows.
func (r *clients) client(c *Clone, id int, rng *rand.Rand, n int) error {
	ctx := context.Background()
	for range n {
		region := rng.IntN(cells / 2)
		both, off := []int{2 * region, 2*region + 1}, int64(region*512)
		value := int(r.values.Add(1))
		if value >= original {
			return errors.New("too many writes for one run")
		}
		switch kind := rng.IntN(20); {
		case kind < 7:
			end := r.begin(id, both, false, 0)
			b := make([]byte, 512)
			got, err := c.ReadAt(ctx, b, off)
			if err != nil && err != io.EOF {
				return err
			}
			end(append(make([]byte, off), b[:got]...))
		case kind < 11: // a whole region
			end := r.begin(id, both, true, value)
			if _, err := c.WriteAt(ctx, fill(byte(value), 512), off); err != nil {
				return err
			}
			end(nil)
		case kind < 14: // a half
			half := both[rng.IntN(2)]
			lo, hi := cellRange(half)
			end := r.begin(id, []int{half}, true, value)
			if _, err := c.WriteAt(ctx, fill(byte(value), hi-lo), int64(lo)); err != nil {
				return err
			}
			end(nil)
		case kind < 15 && region < cells/2-1: // a half each of two regions
			lo, _ := cellRange(both[1])
			end := r.begin(id, []int{both[1], both[1] + 1}, true, value)
			if _, err := c.WriteAt(ctx, fill(byte(value), 2*cellSize), int64(lo)); err != nil {
				return err
			}
			end(nil)
		case kind < 16:
			end := r.begin(id, both, true, zeroed)
			if err := c.Truncate(ctx, cells*cellSize); err != nil { // a discard ends where dest does
				return err
			}
			if err := c.Discard(ctx, off, 512); err != nil {
				return err
			}
			end(nil)
		case kind < 17: // cut, perhaps through a region
			first := rng.IntN(cells-1) + 1
			var cut []int
			for i := first; i < cells; i++ {
				cut = append(cut, i)
			}
			end := r.begin(id, cut, true, zeroed)
			if err := c.Truncate(ctx, int64(first*cellSize)); err != nil {
				return err
			}
			end(nil)
		case kind < 17+rng.IntN(2):
			if err := c.Hydrate(ctx, off, 512); err != nil {
				return err
			}
		default:
			call := r.clock.Add(1)
			if err := c.Sync(ctx); err != nil {
				return err
			}
			r.mu.Lock()
			r.synced = append(r.synced, [2]int64{call, r.clock.Add(1)})
			r.mu.Unlock()
		}
	}
	return nil
}

// durable tells whether a power loss at time may leave a cell with value: it may unless another write
// came after it and had returned when a Sync began that had returned.
func (r *clients) durable(history []access, time int64, cell, value int) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	last := int64(0) // when the last Sync began
	for _, s := range r.synced {
		if s[1] < time {
			last = max(last, s[0])
		}
	}
	writes := []access{{cell: cell, write: true, value: original}}
	for _, a := range history {
		if a.write && a.cell == cell {
			writes = append(writes, a)
		}
	}
	return slices.ContainsFunc(writes, func(a access) bool {
		return a.value == value && !slices.ContainsFunc(writes, func(b access) bool {
			return a.ret < b.call && b.ret < last
		})
	})
}

// slowly makes each answer of the source come in pieces, so that much happens in the meantime.
func slowly(rng *rand.Rand) sourcetest.Plan {
	var mu sync.Mutex
	return func(r sourcetest.Request) sourcetest.Fault {
		mu.Lock()
		defer mu.Unlock()
		if r.Identify {
			return sourcetest.Fault{}
		}
		return sourcetest.Fault{
			Latency: time.Duration(rng.IntN(300)) * time.Microsecond,
			Chunk:   512, Pause: time.Duration(rng.IntN(300)) * time.Microsecond,
		}
	}
}

// slowSyncs is a target whose syncs take their time to return after they have done their work: what is
// written meanwhile is not theirs.
type slowSyncs struct {
	dest.Target
	pause func()
}

func (t slowSyncs) Open() (dest.Dest, error) {
	d, err := t.Target.Open()
	return slowSync{d, t.pause}, err
}

type slowSync struct {
	dest.Dest
	pause func()
}

func (d slowSync) Sync() error {
	err := d.Dest.Sync()
	d.pause()
	return err
}

// TestRegisters has several goroutines, half of them in another process, read, write, discard, cut,
// hydrate and sync four regions while the background hydrates them too. Each half of a region has
// to be a register, in the run itself and after kill -9 at any moment of it (I4, I5, I9), when what
// was under way has happened or not; and after power loss at any moment nothing is older than what
// was synced (I1, I3).
func TestRegisters(t *testing.T) {
	runs, seed := uint64(60), uint64(time.Now().UnixNano())
	if *long {
		runs = 3000
	} else if testing.Short() || raceDetector {
		runs = 12
	}
	if *registersSeed != 0 {
		runs, seed = 1, *registersSeed
	}
	content := tinyContent()[:1]
	content = append(content, bytes.Repeat([]byte{0x81, 0x92, 0xa3}, cells*cellSize)...)[:cells*cellSize]
	kills, losses, accesses := 0, 0, 0
	for run := range runs {
		if err := registersRun(content, seed+run, &kills, &losses, &accesses); err != nil {
			t.Errorf("%v\nagain: go test ./clone -run TestRegisters -count 50 -registers.seed %d", err, seed+run)
			break
		}
	}
	t.Logf("%d runs, %d accesses, %d kills, %d power losses", runs, accesses, kills, losses)
}

func registersRun(content []byte, seed uint64, kills, losses, accesses *int) error {
	rng := newRand(seed)
	src := sourcetest.NewFake(content)
	r := &clients{content: content}

	// A clone that is all cold: what the first request brought was not synced.
	made := newComputer(new(crashdest.Disk), new(statetest.Store), content)
	opts := tinyOptions()
	opts.Keep = true
	c, err := Open(context.Background(), unclosed{src}, made.disk, made.store, opts)
	if err != nil {
		return err
	}
	kill(c)
	template := made.moments[slices.IndexFunc(made.moments, func(m moment) bool {
		return isLive(m.store)
	})]
	all := func(int) int { return 1 }
	disk, store := template.disk.CrashAs(all, false), template.store.CrashAs(all, false, nil)

	type stop struct {
		time  int64
		disk  *crashdest.Disk
		store *statetest.Store
	}
	var mu sync.Mutex
	var stops []stop
	var power sync.Mutex
	at := func() {
		s := stop{time: r.clock.Add(1)} // first: what returns while we copy has been there before
		s.disk, s.store = disk.CrashKeepAll(), store.Copy()
		mu.Lock()
		defer mu.Unlock()
		stops = append(stops, s)
	}
	disk.Moment, disk.Power = at, &power
	store.Follow(at, &power)

	opts.NoBackground, opts.Knobs.Hydration = rng.IntN(3) == 0, new(true)
	src.Plan(slowly(newRand(seed + 1)))
	pauses := newRand(seed + 2)
	target := slowSyncs{disk, func() {
		mu.Lock()
		n := pauses.IntN(600)
		mu.Unlock()
		time.Sleep(time.Duration(n) * time.Microsecond)
	}}
	var processes []*Clone
	for range 2 {
		c, err := Open(context.Background(), unclosed{src}, target, store, opts)
		if err != nil {
			return fmt.Errorf("open: %w", err)
		}
		defer kill(c)
		processes = append(processes, c)
	}
	var load sync.WaitGroup
	errs := make([]error, 4)
	for i := range errs {
		rng := newRand(seed + 10*uint64(i))
		load.Go(func() { errs[i] = r.client(processes[i%2], i, rng, 12) })
	}
	load.Wait()
	if err := errors.Join(errs...); err != nil {
		return err
	}
	history := r.until(pending)
	*accesses += len(history)
	if err := linear(history); err != nil {
		return fmt.Errorf("in the run: %w", err)
	}
	mu.Lock()
	defer mu.Unlock()
	for range 12 {
		s := stops[rng.IntN(len(stops))]
		before := r.until(s.time)
		*kills++
		got, err := reread(content, s.disk.KillAs(rng.IntN), s.store.KillAs(rng.IntN))
		if err != nil {
			return fmt.Errorf("killed at %d: %w", s.time, err)
		}
		after := before
		for i := range cells {
			after = append(after, access{cell: i, value: valueOf(got, content, i), call: s.time, ret: s.time + 1, client: 4})
		}
		if err := linear(after); err != nil {
			return fmt.Errorf("killed at %d: %w", s.time, err)
		}
		*losses++
		got, err = reread(content, s.disk.Crash(rng), s.store.Crash(rng))
		if err != nil {
			return fmt.Errorf("power lost at %d: %w", s.time, err)
		}
		for i := range cells {
			if v := valueOf(got, content, i); !r.durable(before, s.time, i, v) {
				return fmt.Errorf("power lost at %d: cell %d cannot be %d", s.time, i, v)
			}
		}
	}
	return nil
}

// reread opens what a crash has left, reads it, completes it and compares.
func reread(content []byte, disk *crashdest.Disk, store *statetest.Store) ([]byte, error) {
	ctx := context.Background()
	c, err := Open(ctx, unclosed{sourcetest.NewFake(content)}, disk, store, tinyOptions())
	if err != nil {
		return nil, fmt.Errorf("open: %w", err)
	}
	defer kill(c)
	got, err := readWhole(c)
	if err == nil {
		err = errors.Join(c.Hydrate(ctx, 0, int64(len(content))), c.Detach(ctx), c.Close())
	}
	if err == nil && differ(disk.Image(), got) >= 0 {
		err = fmt.Errorf("complete, byte %d differs (I7)", differ(disk.Image(), got))
	}
	return got, err
}
