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
	"io/fs"
	"math/rand/v2"
	"sync"

	"hydrant/dest"
)

// Disk is a dest.Target on a disk that can lose power. Its destinations have the power
// dest.Puncher. The zero value is a disk with nothing on it.
type Disk struct {
	mu      sync.Mutex
	created bool   // durable at once, as dest.Target promises
	now     []byte // what a read sees: base with all of log done to it
	base    []byte // what is durable whatever happens
	log     []op   // what was done since, in order
	syncs   []error
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

// Create makes an empty destination, fs.ErrExist when there is one.
func (d *Disk) Create() (dest.Dest, error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.created {
		return nil, &fs.PathError{Op: "create", Path: d.Name(), Err: fs.ErrExist}
	}
	d.created = true
	return &file{disk: d}, nil
}

// Crash returns a disk with what this one may hold after power is lost now. This one is as it was:
// whoever still writes to it does no harm to the other, and it can crash again in another way.
func (d *Disk) Crash(rng *rand.Rand) *Disk {
	d.mu.Lock()
	defer d.mu.Unlock()
	image := clone(d.base)
	for _, o := range d.log {
		if o.synced {
			image = o.do(image)
		} else {
			image = o.doSome(image, rng)
		}
	}
	return &Disk{created: d.created, now: image, base: clone(image)}
}

// CrashKeepAll returns a disk with all that was written: the process is gone, the kernel is not.
// What was not synced still is not.
func (d *Disk) CrashKeepAll() *Disk {
	d.mu.Lock()
	defer d.mu.Unlock()
	return &Disk{
		created: d.created,
		now:     clone(d.now),
		base:    clone(d.base),
		log:     append([]op(nil), d.log...),
	}
}

// FailSync makes the next Sync fail with err, and loses the right to rely on what was written
// before it. Called several times, it arms as many Syncs, a nil error standing for one that works.
func (d *Disk) FailSync(err error) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.syncs = append(d.syncs, err)
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

// doLocked does an operation that nothing is known about yet.
func (d *Disk) doLocked(o op) {
	d.now = o.do(d.now)
	d.log = append(d.log, o)
}

// syncLocked makes durable what no failed Sync has spoiled.
func (d *Disk) syncLocked() error {
	var err error
	if len(d.syncs) > 0 {
		err, d.syncs = d.syncs[0], d.syncs[1:]
	}
	for i := range d.log {
		if o := &d.log[i]; err != nil {
			o.spoiled = !o.synced
		} else if !o.spoiled {
			o.synced = true
		}
	}
	for len(d.log) > 0 && d.log[0].synced {
		d.base = d.log[0].do(d.base)
		d.log = d.log[1:]
	}
	return err
}

func clone(p []byte) []byte { return append([]byte(nil), p...) }
