package state

import (
	"sync/atomic"
	"unsafe"
)

// Mode is what a clone still allows.
type Mode uint64

// The modes. A clone goes down this list and never up, but by recover.
const (
	ReadWrite Mode = iota
	ReadOnly       // an fsync failed: reads go on, nothing is changed
	Failed         // the maps cannot be trusted: nothing goes on
)

func (m Mode) String() string {
	switch m {
	case ReadWrite:
		return "rw"
	case ReadOnly:
		return "ro"
	}
	return "failed"
}

// Header is the volatile header as it lies in shared memory: words of 8 bytes, each accessed
// atomically, by every process of the clone and, read only, by C (hydrant_header in sqlitevfs has
// the same fields at the same offsets; a test compares). Nothing in it is trusted over a power
// loss. Times are nanoseconds, rates bytes per second.
type Header struct {
	Format atomic.Uint64    //   0: Version, set last when the volatile part is made ready
	Mode   atomic.Uint64    //   8: Mode
	Phase  atomic.Uint64    //  16: Phase; the guard stands on disk until it is Complete
	First  [2]atomic.Uint64 //  24: dest's logical first bytes, little-endian, while the guard stands

	// What a sync has to make durable: marks counts changes to Written, Dirty and First;
	// synced is what marks was when the last durable commit copied the words. synced ≤ marks.
	Marks  atomic.Uint64 //  40
	Synced atomic.Uint64 //  48

	// What of the log is in force, so that a process knows whether it has read all of it.
	LogGen atomic.Uint64 //  56: generation of the base image
	LogSeq atomic.Uint64 //  64: records in the log

	// Knobs, for all processes.
	KnobGen     atomic.Uint64 //  72: counts changes to the knobs
	Hydration   atomic.Uint64 //  80: 1 on, 0 off
	Bandwidth   atomic.Uint64 //  88: of the background, 0: no cap
	Connections atomic.Uint64 //  96: of the background, 0: adapts
	Batch       atomic.Uint64 // 104: bytes asked for at once in the background
	Timeout     atomic.Uint64 // 112: of one wait for the source

	// What the hydrator says of itself.
	Activity  atomic.Uint64 // 120: Activity
	HydPID    atomic.Uint64 // 128: process id
	HydBeat   atomic.Uint64 // 136: last heartbeat, since 1970
	Rate      atomic.Uint64 // 144: bytes per second put into dest
	Fetched   atomic.Uint64 // 152: bytes taken from the source
	Requests  atomic.Uint64 // 160: requests sent to it
	Refetched atomic.Uint64 // 168: bytes of Fetched that were there or on their way already
	Hold      atomic.Uint64 // 176: 1: not to be detached but by Detach

	// For those who look on without a lock. Both outlive a reset.
	Judged atomic.Uint64 // 184: counts those who, alone, began to decide what of the clone counts
	Resets atomic.Uint64 // 192: counts how often the maps that were there ceased to count

	// What the mode being ro has cost so far.
	LostLocal   atomic.Uint64 // 200: regions that were local and are not any more
	LostWritten atomic.Uint64 // 208: … of which what was written is gone

	reserved [18]atomic.Uint64 // 216: for write-back

	// The last error, under a counter that is odd while it changes.
	ErrSeq atomic.Uint64     // 360
	ErrLen atomic.Uint64     // 368: bytes of Err in use
	Err    [64]atomic.Uint64 // 376: UTF-8, eight bytes a word, little-endian

	spare [17]atomic.Uint64 // 888
	Posts [NumPosts]Posting // 1024: what is being fetched, by all processes
}

// Activity is what the background is doing.
type Activity uint64

// The activities.
const (
	Hydrating Activity = iota
	Paused             // switched off, or the disk is full
	Stalled            // the source fails for good, until a probe succeeds
)

// HeaderSize is the room for a Header, in bytes.
const HeaderSize = headerSize

var _ [HeaderSize - unsafe.Sizeof(Header{})]byte // it fits

func headerOver(b []byte) *Header { return (*Header)(unsafe.Pointer(&b[0])) }

// SetFirst stores dest's logical first bytes.
func (h *Header) SetFirst(b [FirstBytes]byte) {
	for i := range h.First {
		h.First[i].Store(word(b[8*i:]))
	}
}

// GetFirst returns dest's logical first bytes.
func (h *Header) GetFirst() (b [FirstBytes]byte) {
	for i := range h.First {
		putWord(b[8*i:], h.First[i].Load())
	}
	return b
}

// SetError stores the last error's text, "" for none. Longer than 512 bytes is cut. Writers in
// several goroutines are kept apart by the caller; between processes the last one wins.
func (h *Header) SetError(s string) {
	s = s[:min(len(s), len(h.Err)*8)]
	h.ErrSeq.Add(1)
	var b [8]byte
	for i := 0; i*8 < len(s); i++ {
		clear(b[:])
		copy(b[:], s[i*8:])
		h.Err[i].Store(word(b[:]))
	}
	h.ErrLen.Store(uint64(len(s)))
	h.ErrSeq.Add(1)
}

// GetError returns the last error's text. While it changes, it may be a mix: it is for people.
func (h *Header) GetError() string {
	for range 8 {
		seq := h.ErrSeq.Load()
		n := min(h.ErrLen.Load(), uint64(len(h.Err)*8))
		b := make([]byte, (n+7)/8*8)
		for i := 0; i*8 < len(b); i++ {
			putWord(b[i*8:], h.Err[i].Load())
		}
		if h.ErrSeq.Load() == seq {
			return string(b[:n])
		}
	}
	return ""
}

func word(b []byte) uint64 {
	_ = b[7]
	var v uint64
	for i := range 8 {
		v |= uint64(b[i]) << (8 * i)
	}
	return v
}

func putWord(b []byte, v uint64) {
	for i := range 8 {
		b[i] = byte(v >> (8 * i))
	}
}
