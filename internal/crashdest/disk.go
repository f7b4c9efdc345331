// Package crashdest is a destination in memory that can lose power. It keeps what was synced
// apart from what was not, and makes up what a disk may hold after a crash:
//
//   - all that was synced is there;
//   - each operation since is there, or not, or torn: there in some sectors and not in others;
//     later operations may be there when earlier ones are not;
//   - what was written before a failed Sync may be lost even when a later Sync succeeds, as the
//     kernel marks pages clean that it could not write.
//
// Chance is the caller's *rand.Rand, so that a seed repeats a crash.
package crashdest

import (
	"errors"
	"io/fs"
	"math/rand/v2"
	"sync"

	"hydrant/dest"
)

// Disk is a dest.Target on a disk that can lose power. Its destinations have the powers
// dest.Puncher and dest.Dropper. The zero value is a disk with nothing on it.
type Disk struct {
	// Moment, when set, is called in the middle of each Create, WriteAt, WriteSync, Truncate, Punch
	// and Sync: what is written is there, and nothing is durable yet. A test copies the disk here,
	// to see later what a crash just then may leave. Set it before the disk is used.
	Moment func()
	// Power, when set, is held through each of these: what shares it changes one thing at a time, so
	// that in a Moment all of it can be copied together.
	Power *sync.Mutex

	birth sync.Mutex // held by Create, before Power

	mu      sync.Mutex
	making  bool   // at the end of Create: the name may be lost
	created bool   // it has a name, and without making that is durable
	now     []byte // what a read sees: base with all of log done to it
	base    []byte // what is durable whatever happens
	log     []*op  // what was done since, in order
	syncs   []error
	chance  *rand.Rand
}

// Name is a word for messages.
func (d *Disk) Name() string { return "crashdest" }

// Open opens what is there, fs.ErrNotExist when nothing is.
func (d *Disk) Open() (dest.Dest, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if !d.created {
		return nil, &fs.PathError{Op: "open", Path: d.Name(), Err: fs.ErrNotExist}
	}
	return &file{disk: d}, nil
}

// Create makes a destination whole, fs.ErrExist when there is one. What fill does is done to a file
// without a name, of which a crash leaves nothing; then, in a Moment of its own, it has the name.
func (d *Disk) Create(fill func(dest.Dest) error) error {
	d.birth.Lock()
	defer d.birth.Unlock()
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.created {
		d.making = false
		return &fs.PathError{Op: "create", Path: d.Name(), Err: fs.ErrExist}
	}
	d.now, d.base, d.log = nil, nil, nil
	d.mu.Unlock()
	f := &file{disk: d}
	err := errors.Join(fill(f), f.Close())
	defer d.hold()() // before mu
	d.mu.Lock()
	if err != nil {
		d.now, d.base, d.log = nil, nil, nil
		return err
	}
	d.created, d.making = true, true
	d.momentLocked()
	d.making = false
	return nil
}

// unborn tells whether there is no file under the name, or by chance none any more.
func (d *Disk) unborn(choose func(n int) int) bool {
	return !d.created || d.making && choose(2) == 0
}

// Crash returns a disk with what this one may hold after power is lost now. This one is as it was:
// whoever still writes to it does no harm to the other, and it can crash again in another way.
func (d *Disk) Crash(rng *rand.Rand) *Disk {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.unborn(rng.IntN) {
		return &Disk{}
	}
	return d.afterLocked(func(o *op, image []byte) []byte {
		if o.synced {
			return o.do(image)
		}
		return o.doSome(image, rng)
	})
}

// CrashAs is Crash with each chance in the caller's hands: choose(n) returns one of 0 to n-1. An
// operation is there or not; that in whose Moment the disk was copied may also be half there, in
// either half of its sectors. With tear every operation may. So who goes through all that choose
// can say has seen every subset.
func (d *Disk) CrashAs(choose func(n int) int, tear bool) *Disk {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.unborn(choose) {
		return &Disk{}
	}
	return d.afterLocked(func(o *op, image []byte) []byte {
		if o.synced {
			return o.do(image)
		}
		return o.doAs(image, choose, tear || o.running)
	})
}

// KillAs returns a disk as it may be when the process is killed now and the kernel is not: all that
// was written is there, but the operation in whose Moment the disk was copied may be there by half,
// or not at all. All of it counts as durable.
func (d *Disk) KillAs(choose func(n int) int) *Disk {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.unborn(choose) {
		return &Disk{}
	}
	return d.afterLocked(func(o *op, image []byte) []byte {
		if o.running {
			return o.doAs(image, choose, true)
		}
		return o.do(image)
	})
}

// afterLocked is a disk on which is durable what do leaves of each operation, in order.
func (d *Disk) afterLocked(do func(o *op, image []byte) []byte) *Disk {
	image := clone(d.base)
	for _, o := range d.log {
		image = do(o, image)
	}
	return &Disk{created: d.created, now: image, base: clone(image)}
}

// CrashKeepAll returns a disk with all that was written: the process is gone, the kernel is not.
// What was not synced still is not.
func (d *Disk) CrashKeepAll() *Disk {
	d.mu.Lock()
	defer d.mu.Unlock()
	c := &Disk{created: d.created, making: d.making, now: clone(d.now), base: clone(d.base)}
	for _, o := range d.log {
		same := *o
		c.log = append(c.log, &same)
	}
	return c
}

// FailSync makes the next Sync fail with err, and loses the right to rely on what was written
// before it. Called several times, it arms as many Syncs, a nil error standing for one that works.
func (d *Disk) FailSync(err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.syncs = append(d.syncs, err)
}

// dropLocked forgets what is only in memory: of what a failed sync has spoiled that is what the disk
// did not get, which chance decides. Without chance it is all of it.
func (d *Disk) dropLocked() {
	image := clone(d.base)
	var left []*op
	for _, o := range d.log {
		switch {
		case o.synced:
			image = o.do(image)
		case !o.spoiled:
			left = append(left, o)
		case d.chance != nil:
			image = o.doSome(image, d.chance)
		}
	}
	d.base, d.now, d.log = image, clone(image), left
	for _, o := range left {
		d.now = o.do(d.now)
	}
}

// Chance decides from now on what DropCache finds that the disk got of what a failed sync has
// spoiled. Without, it got nothing.
func (d *Disk) Chance(rng *rand.Rand) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.chance = rng
}

// Image returns a copy of what a read sees.
func (d *Disk) Image() []byte {
	d.mu.Lock()
	defer d.mu.Unlock()
	return clone(d.now)
}

// Unsynced returns how many operations a crash may undo.
func (d *Disk) Unsynced() (n int) {
	d.mu.Lock()
	defer d.mu.Unlock()
	for _, o := range d.log {
		if !o.synced {
			n++
		}
	}
	return n
}

// doLocked does an operation that nothing is known about yet. With sync it is durable afterwards,
// and it alone.
func (d *Disk) doLocked(o op, sync bool) {
	mine := &o
	d.now = o.do(d.now)
	d.log = append(d.log, mine)
	mine.running = true
	d.momentLocked()
	mine.running = false
	mine.synced = mine.synced || sync
	d.settleLocked()
}

// hold takes Power, before mu, and returns what gives it back.
func (d *Disk) hold() func() {
	if d.Power == nil {
		return func() {}
	}
	d.Power.Lock()
	return d.Power.Unlock
}

// momentLocked calls Moment without the lock.
func (d *Disk) momentLocked() {
	if d.Moment != nil {
		d.mu.Unlock()
		defer d.mu.Lock()
		d.Moment()
	}
}

// syncLocked makes durable what was written before it and no failed Sync has spoiled.
func (d *Disk) syncLocked() error {
	var err error
	if len(d.syncs) > 0 {
		err, d.syncs = d.syncs[0], d.syncs[1:]
	}
	var before []*op
	for _, o := range d.log {
		if !o.running {
			before = append(before, o)
		}
	}
	d.momentLocked()
	for _, o := range before {
		if err != nil {
			o.spoiled = !o.synced
		} else if !o.spoiled {
			o.synced = true
		}
	}
	d.settleLocked()
	return err
}

// settleLocked moves what is durable from the log to the base, as far as it is the oldest.
func (d *Disk) settleLocked() {
	for len(d.log) > 0 && d.log[0].synced {
		d.base = d.log[0].do(d.base)
		d.log = d.log[1:]
	}
}

func clone(p []byte) []byte { return append([]byte(nil), p...) }
