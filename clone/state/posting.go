package state

import (
	"sync/atomic"
	"time"
)

// NumPosts is how many ranges can be posted at once. Those that find no slot are not posted, and
// may be fetched twice.
const NumPosts = 128

// PostLife is how old a posting's beat may be. An older one is of a process that died, or was
// stopped, and anybody may have its slot.
const PostLife = 3 * time.Second

// Posting is a range that some process is fetching, for the others to see. It is a hint and
// nothing more: regions become local by their bits alone, so a posting that is torn, or of a
// process that is gone, costs a short wait or bytes fetched twice.
//
//	Next                 End
//	  |###################|      on its way
//
// Whoever takes a slot stores Beat last, and whoever gives it up stores End first, so that a slot
// between two owners is empty or stale.
type Posting struct {
	Owner atomic.Uint64 //  0: 0: free
	Next  atomic.Uint64 //  8: the first region that is not there yet; only grows
	End   atomic.Uint64 // 16: of the range
	Beat  atomic.Uint64 // 24: when the owner last said so, since 1970
}

// Live tells whether the posting is of a process that is at work at time now.
func (p *Posting) Live(now time.Time) bool {
	age := now.UnixNano() - int64(p.Beat.Load())
	// A clock that was set back must not make a posting live for long.
	return p.Owner.Load() != 0 && -int64(PostLife) < age && age < int64(PostLife)
}

// Take makes the slot owner's, for regions [next, end), unless it is live; false then.
func (p *Posting) Take(owner, next, end uint64, now time.Time) bool {
	old := p.Owner.Load()
	if old != 0 && p.Live(now) {
		return false
	}
	if !p.Owner.CompareAndSwap(old, owner) {
		return false
	}
	p.Next.Store(next)
	p.End.Store(end)
	p.Beat.Store(uint64(now.UnixNano()))
	return true
}

// Advance says that the regions below next have been dealt with, if the slot is still owner's.
func (p *Posting) Advance(owner, next uint64, now time.Time) {
	if p.Owner.Load() == owner {
		p.Next.Store(next)
		p.Beat.Store(uint64(now.UnixNano()))
	}
}

// Renew says that owner is at work.
func (p *Posting) Renew(owner uint64, now time.Time) {
	if p.Owner.Load() == owner {
		p.Beat.Store(uint64(now.UnixNano()))
	}
}

// Release frees the slot, if it is still owner's.
func (p *Posting) Release(owner uint64) {
	if p.Owner.Load() == owner {
		p.End.Store(0)
		p.Owner.CompareAndSwap(owner, 0)
	}
}

// ClearPosts frees every slot. Only under the exclusive attach lock: nobody is at work.
func (h *Header) ClearPosts() {
	for i := range h.Posts {
		h.Posts[i].End.Store(0)
		h.Posts[i].Owner.Store(0)
	}
}
