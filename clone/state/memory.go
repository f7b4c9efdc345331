package state

import (
	"io"
	"io/fs"
	"sync"
	"sync/atomic"
	"unsafe"
)

// MemoryStore is a state file in memory, for tests and for clones that need not outlive their
// process. Several Files may be open on it at once, as if by several processes.
type MemoryStore struct {
	// Wrap, when set, is what Open and Create pass each File through: a place for faults.
	Wrap func(File) File

	// Mount is the mount id that files report. Another one is what a reboot or a remount looks
	// like: nothing volatile is believed.
	Mount uint64

	mu    sync.Mutex  // guards the rest, and what files read and write
	file  *memContent // nil: no file
	inode uint64
	locks []memLock
}

// memContent is what is in a file. Its memory stays where it is, since it is mapped.
type memContent struct {
	bytes []byte // aligned as words are
	tail  []byte // what was written behind them
}

func (c *memContent) size() int64 { return int64(len(c.bytes) + len(c.tail)) }

type memLock struct {
	owner     *memFile
	lo, hi    int64
	exclusive bool
}

// Name implements Store.
func (s *MemoryStore) Name() string { return "memory" }

// Open implements Store.
func (s *MemoryStore) Open() (File, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.file == nil {
		return nil, fs.ErrNotExist
	}
	return s.wrap(&memFile{s: s, memContent: s.file, inode: s.inode}), nil
}

// OpenReadOnly implements Onlooker.
func (s *MemoryStore) OpenReadOnly() (File, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.file == nil {
		return nil, fs.ErrNotExist
	}
	return &memFile{s: s, memContent: s.file, inode: s.inode, looks: true}, nil
}

func (s *MemoryStore) wrap(f File) File {
	if s.Wrap != nil {
		return s.Wrap(f)
	}
	return f
}

// Create implements Store.
func (s *MemoryStore) Create(fill func(File) error) error {
	f := &memFile{s: s, memContent: new(memContent)}
	if err := s.fill(f, fill); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.file != nil {
		return fs.ErrExist
	}
	s.file = f.memContent
	s.inode++
	return nil
}

// fill fills f and makes that durable.
func (s *MemoryStore) fill(f File, fill func(File) error) error {
	w := s.wrap(f)
	if err := fill(w); err != nil {
		return err
	}
	return w.Sync()
}

// Replace implements Replacer.
func (s *MemoryStore) Replace(fill func(File) error) error {
	s.mu.Lock()
	f := &memFile{s: s, memContent: new(memContent), inode: s.inode + 1}
	s.mu.Unlock()
	if err := s.fill(f, fill); err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.file == nil {
		return fs.ErrNotExist
	}
	s.file, s.inode = f.memContent, f.inode
	return nil
}

// Remove implements Store.
func (s *MemoryStore) Remove() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.file == nil {
		return fs.ErrNotExist
	}
	s.file = nil
	return nil
}

// Image returns a copy of the file, nil when there is none.
func (s *MemoryStore) Image() []byte {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.file == nil {
		return nil
	}
	b := aligned(int(s.file.size()))
	from, to := words(s.file.bytes), words(b)
	for i := range from {
		to[i] = atomic.LoadUint64(&from[i])
	}
	copy(b[len(s.file.bytes):], s.file.tail)
	return b
}

// words are those that aligned bytes lie in.
func words(b []byte) []uint64 {
	return unsafe.Slice((*uint64)(unsafe.Pointer(unsafe.SliceData(b))), (len(b)+7)/8)
}

// SetImage makes b, copied, the file: what a test found after a crash, or damaged on purpose.
// nil removes it. It stays the same file as before.
func (s *MemoryStore) SetImage(b []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.file = nil; b != nil {
		s.file = &memContent{bytes: aligned(len(b))}
		copy(s.file.bytes, b)
	}
}

func aligned(n int) []byte {
	words := make([]uint64, (n+7)/8+1)
	return unsafe.Slice((*byte)(unsafe.Pointer(&words[0])), len(words)*8)[:n]
}

type memFile struct {
	*memContent
	s     *MemoryStore
	inode uint64
	looks bool // opened for looking only
}

func (f *memFile) ReadAt(p []byte, off int64) (int, error) {
	f.s.mu.Lock()
	defer f.s.mu.Unlock()
	if off >= f.size() {
		return 0, io.EOF
	}
	n := 0
	if off < int64(len(f.bytes)) {
		n = copy(p, f.bytes[off:])
	}
	if behind := off + int64(n) - int64(len(f.bytes)); behind >= 0 {
		n += copy(p[n:], f.tail[behind:])
	}
	if n < len(p) {
		return n, io.EOF
	}
	return n, nil
}

func (f *memFile) WriteAt(p []byte, off int64) (int, error) {
	if f.looks {
		return 0, fs.ErrPermission
	}
	f.s.mu.Lock()
	defer f.s.mu.Unlock()
	n := 0
	if off < int64(len(f.bytes)) {
		n = copy(f.bytes[off:], p)
	}
	if n < len(p) {
		behind := off + int64(n) - int64(len(f.bytes))
		if more := behind + int64(len(p)-n) - int64(len(f.tail)); more > 0 {
			f.tail = append(f.tail, make([]byte, more)...)
		}
		n += copy(f.tail[behind:], p[n:])
	}
	return n, nil
}

func (f *memFile) WriteSync(p []byte, off int64) error {
	_, err := f.WriteAt(p, off)
	return err
}

func (f *memFile) Sync() error               { return nil }
func (f *memFile) Allocate(size int64) error { f.bytes = aligned(int(size)); return nil }
func (f *memFile) Size() (int64, error) {
	f.s.mu.Lock()
	defer f.s.mu.Unlock()
	return f.size(), nil
}
func (f *memFile) ID() (FileID, error) {
	return FileID{Mount: 1 + f.s.Mount, Dev: 1, Inode: f.inode}, nil
}
func (f *memFile) Map(off, n int64) ([]byte, error) {
	return f.bytes[off : off+n : off+n], nil
}

func (f *memFile) Current() (bool, error) {
	f.s.mu.Lock()
	defer f.s.mu.Unlock()
	return f.s.file != nil && f.s.inode == f.inode, nil
}

func (f *memFile) Held(off int64) (bool, error) {
	f.s.mu.Lock()
	defer f.s.mu.Unlock()
	for _, l := range f.s.locks {
		if l.owner != f && l.lo <= off && off < l.hi {
			return true, nil
		}
	}
	return false, nil
}

func (f *memFile) TryLock(off, n int64, exclusive bool) (bool, error) {
	if f.looks && exclusive {
		return false, fs.ErrPermission
	}
	f.s.mu.Lock()
	defer f.s.mu.Unlock()
	for _, l := range f.s.locks {
		if l.owner != f && l.lo < off+n && off < l.hi && (exclusive || l.exclusive) {
			return false, nil
		}
	}
	f.cut(off, off+n)
	f.s.locks = append(f.s.locks, memLock{f, off, off + n, exclusive})
	return true, nil
}

func (f *memFile) Unlock(off, n int64) error {
	f.s.mu.Lock()
	defer f.s.mu.Unlock()
	f.cut(off, off+n)
	return nil
}

// cut takes [lo, hi) out of what f holds. Needs s.mu.
func (f *memFile) cut(lo, hi int64) {
	var kept []memLock
	for _, l := range f.s.locks {
		if l.owner != f || l.hi <= lo || hi <= l.lo {
			kept = append(kept, l)
			continue
		}
		if l.lo < lo {
			kept = append(kept, memLock{f, l.lo, lo, l.exclusive})
		}
		if hi < l.hi {
			kept = append(kept, memLock{f, hi, l.hi, l.exclusive})
		}
	}
	f.s.locks = kept
}

func (f *memFile) Close() error { return f.Unlock(0, 1<<62) }
