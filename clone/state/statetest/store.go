// Package statetest is a state file in memory that can be killed and can lose power, as
// crashdest.Disk is a destination that can: what was written by calls and not synced is there
// afterwards or not, or by half; the name is there or not while the folder is not synced; and what
// is mapped may be anything that stood there at any time.
package statetest

import (
	"bytes"
	"math/rand/v2"
	"sync"

	"hydrant/clone/state"
	"hydrant/dest"
	"hydrant/internal/crashdest"
)

// Store is a state.Store that can lose power. Its zero value holds no file.
type Store struct {
	// Moment, when set, is called in the middle of each write, Create and Remove: they have
	// happened, and nothing of them is durable yet. Set it before the store is used.
	Moment func()
	// Power, when set, is held through each of these, as crashdest.Disk's.
	Power *sync.Mutex
	// Mount is the mount id that files report; after a crash it is another one.
	Mount uint64

	mem  state.MemoryStore
	disk *crashdest.Disk // what is durable of what calls have written

	mu               sync.Mutex // guards the rest
	inode            uint64
	old              *Store // within Replace: what was there before, and may be after a crash
	making, removing bool   // within Create and Remove: the name may be lost, or come back
	lo, hi           int64
	past             [][]byte // what the mapped part [lo, hi) was at each Note
}

// Name implements state.Store.
func (s *Store) Name() string { return "memory that can lose power" }

// Open implements state.Store.
func (s *Store) Open() (state.File, error) {
	f, err := s.mem.Open()
	if err != nil {
		return nil, err
	}
	return s.opened(f), nil
}

func (s *Store) opened(f state.File) *file {
	d, _ := s.disk.Open()
	s.mu.Lock()
	defer s.mu.Unlock()
	return &file{s: s, mem: f, disk: d, inode: s.inode}
}

// Create implements state.Store. Until it has a name nobody misses the file, so a crash in fill
// leaves nothing.
func (s *Store) Create(fill func(state.File) error) error {
	disk, err := s.make(s.mem.Create, fill)
	if err != nil {
		return err
	}
	defer s.hold()()
	s.appear(disk, func(now bool) { s.making = now })
	return nil
}

// Replace implements state.Store. Until the folder is synced, a crash leaves the old or the new one.
func (s *Store) Replace(fill func(state.File) error) error {
	old := s.Copy()
	disk, err := s.make(s.mem.Replace, fill)
	if err != nil {
		return err
	}
	defer s.hold()()
	s.appear(disk, func(now bool) {
		if s.old = nil; now {
			s.old = old
		}
	})
	return nil
}

// next is the inode of the next file to get the name.
func (s *Store) next() uint64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.inode + 1
}

// make fills a file that has no name yet, syncs it, and lets publish give it its name.
func (s *Store) make(publish func(func(state.File) error) error, fill func(state.File) error) (*crashdest.Disk, error) {
	var disk *crashdest.Disk
	err := publish(func(f state.File) error {
		disk = new(crashdest.Disk)
		err := disk.Create(func(dest.Dest) error { return nil })
		if err != nil {
			return err
		}
		d, err := disk.Open()
		if err != nil {
			return err
		}
		if err := fill(&file{s: s, mem: f, disk: d, inode: s.next()}); err != nil {
			return err
		}
		return d.Sync()
	})
	return disk, err
}

// appear puts disk in force. under says whether the folder is yet to be synced.
func (s *Store) appear(disk *crashdest.Disk, under func(now bool)) {
	disk.Moment, disk.Power = s.moment, s.Power
	s.mu.Lock()
	s.disk = disk
	s.inode++
	s.past = nil
	under(true)
	s.mu.Unlock()
	s.moment()
	s.mu.Lock()
	under(false)
	s.mu.Unlock()
}

// Remove implements state.Store.
func (s *Store) Remove() error {
	defer s.hold()()
	s.mu.Lock()
	s.removing = true
	s.mu.Unlock()
	s.moment()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.removing = false
	return s.mem.Remove()
}

func (s *Store) hold() func() {
	if s.Power == nil {
		return func() {}
	}
	s.Power.Lock()
	return s.Power.Unlock
}

func (s *Store) moment() {
	if s.Moment != nil {
		s.Moment()
	}
}

// Image returns a copy of the file as it is now, nil when there is none.
func (s *Store) Image() []byte { return s.mem.Image() }

// Note remembers what the mapped part is now: a crash may leave any of it.
func (s *Store) Note() {
	img := s.mem.Image()
	s.mu.Lock()
	defer s.mu.Unlock()
	if img == nil || s.hi == 0 {
		return
	}
	part := img[s.lo:s.hi]
	if n := len(s.past); n == 0 || !bytes.Equal(s.past[n-1], part) {
		s.past = append(s.past, part)
	}
}

// Copy returns a store that is as this one is now, for a crash later on.
func (s *Store) Copy() *Store {
	img := s.mem.Image()
	s.mu.Lock()
	defer s.mu.Unlock()
	c := &Store{Mount: s.Mount, inode: s.inode, making: s.making, removing: s.removing, lo: s.lo, hi: s.hi}
	c.past = append(c.past, s.past...)
	if img != nil {
		c.mem.SetImage(img)
		c.disk = s.disk.CrashKeepAll()
	}
	return c
}

// Elsewhere is Copy as `cp` makes one: another file.
func (s *Store) Elsewhere() *Store {
	c := s.Copy()
	c.inode += 1000
	return c
}

// Crash returns what may be left when power is lost now, on another mount. Chance is rng's: what is
// mapped becomes a mixture, by sectors, of all that was noted.
func (s *Store) Crash(rng *rand.Rand) *Store {
	return s.left(func(d *crashdest.Disk) *crashdest.Disk { return d.Crash(rng) }, rng.IntN, func(part []byte) {
		for at := 0; at < len(part) && len(s.past) > 0; at += 512 {
			copy(part[at:at+512], s.past[rng.IntN(len(s.past))][at:])
		}
	}, 1)
}

// CrashAs is Crash with each chance in the caller's hands, see crashdest. What is mapped is as
// mapped changes it; nil leaves it as it is now.
func (s *Store) CrashAs(choose func(n int) int, tear bool, mapped func(part []byte)) *Store {
	return s.left(func(d *crashdest.Disk) *crashdest.Disk { return d.CrashAs(choose, tear) }, choose, mapped, 1)
}

// KillAs returns what may be left when the process is killed now: what is mapped is as it is.
func (s *Store) KillAs(choose func(n int) int) *Store {
	return s.left(func(d *crashdest.Disk) *crashdest.Disk { return d.KillAs(choose) }, choose, nil, 0)
}

func (s *Store) left(crash func(*crashdest.Disk) *crashdest.Disk, choose func(n int) int, mapped func([]byte), mounts uint64) *Store {
	now := s.mem.Image()
	s.mu.Lock()
	defer s.mu.Unlock()
	c := &Store{Mount: s.Mount + mounts, inode: s.inode, lo: s.lo, hi: s.hi}
	if s.old != nil && choose(2) == 0 {
		return s.old.left(crash, choose, nil, mounts)
	}
	switch {
	case now == nil,
		s.making && choose(2) == 0,
		s.removing && choose(2) == 1:
		return c
	}
	disk := crash(s.disk)
	img := disk.Image()
	if s.hi > 0 {
		part := now[s.lo:s.hi]
		if mapped != nil {
			mapped(part)
		}
		copy(img[s.lo:s.hi], part)
	}
	c.mem.SetImage(img)
	c.disk = disk
	return c
}

// Follow sets Moment and Power of a store that a crash has left.
func (s *Store) Follow(moment func(), power *sync.Mutex) {
	s.Moment, s.Power = moment, power
	if s.disk != nil {
		s.disk.Moment, s.disk.Power = s.moment, power
	}
}

// file is an open state file: what is read is in memory, what is written is on the disk as well.
type file struct {
	s     *Store
	mem   state.File
	disk  dest.Dest
	inode uint64
}

func (f *file) ReadAt(p []byte, off int64) (int, error) { return f.mem.ReadAt(p, off) }

func (f *file) WriteAt(p []byte, off int64) (int, error) {
	if n, err := f.mem.WriteAt(p, off); err != nil {
		return n, err
	}
	return f.disk.WriteAt(p, off)
}

func (f *file) WriteSync(p []byte, off int64) error {
	if err := f.mem.WriteSync(p, off); err != nil {
		return err
	}
	return f.disk.(interface{ WriteSync([]byte, int64) error }).WriteSync(p, off)
}

func (f *file) Sync() error { return f.disk.Sync() }

func (f *file) Allocate(size int64) error {
	if err := f.mem.Allocate(size); err != nil {
		return err
	}
	return f.disk.Truncate(size)
}

func (f *file) Size() (int64, error) { return f.mem.Size() }

func (f *file) Map(off, n int64) ([]byte, error) {
	f.s.mu.Lock()
	f.s.lo, f.s.hi = off, off+n
	f.s.mu.Unlock()
	return f.mem.Map(off, n)
}

func (f *file) TryLock(off, n int64, exclusive bool) (bool, error) {
	return f.mem.TryLock(off, n, exclusive)
}

func (f *file) Held(off int64) (bool, error) { return f.mem.Held(off) }
func (f *file) Unlock(off, n int64) error    { return f.mem.Unlock(off, n) }

func (f *file) ID() (state.FileID, error) {
	return state.FileID{Mount: 1 + f.s.Mount, Dev: 1, Inode: f.inode}, nil
}

func (f *file) Current() (bool, error) { return f.mem.Current() }

func (f *file) Close() error { return f.mem.Close() }
