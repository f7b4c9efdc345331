package clone

import (
	"context"
	"math/rand/v2"
	"slices"
	"sync"
	"time"

	"hydrant/clone/state"
)

// posts is what the processes of a clone tell each other of their flights, through the shared
// header: whoever misses a region that another process is fetching waits a little for its bit
// rather than fetch it again. Everything here is a hint (see state.Posting), so nothing is locked
// and nothing waits for a process that is gone.
type posts struct {
	head *state.Header
	once sync.Once
	me   uint64 // this process' name in the slots, even and never 0

	mu   sync.Mutex // guards mine
	mine []*post
}

// post is a flight's slot. nil is one that has none.
type post struct {
	posts *posts
	slot  *state.Posting
	owner uint64
}

// waitedFor is the bit of an owner's name that tells that somebody waits for the range, or will
// soon: it is not the background's.
const waitedFor = 1

func (p *posts) name() uint64 {
	p.once.Do(func() { p.me = (rand.Uint64() | 2) &^ waitedFor })
	return p.me
}

// others calls f for each range that other processes are fetching, until it returns false.
func (p *posts) others(f func(slot *state.Posting, owner uint64, s span) bool) {
	now, me := time.Now(), p.name()
	for i := range p.head.Posts {
		slot := &p.head.Posts[i]
		owner := slot.Owner.Load()
		if owner == 0 || owner&^waitedFor == me || !slot.Live(now) {
			continue
		}
		if s := (span{slot.Next.Load(), slot.End.Load()}); !s.empty() && !f(slot, owner, s) {
			return
		}
	}
}

// at returns the range of another process that will bring region r first, false when there is none.
func (p *posts) at(r uint64) (nearest other, ok bool) {
	p.others(func(slot *state.Posting, owner uint64, s span) bool {
		if s.contains(r) && (!ok || s.lo > nearest.lo) {
			nearest, ok = other{slot, owner, s}, true
		}
		return true
	})
	return nearest, ok
}

// trim cuts what other processes are fetching off s, of which at remains; empty when they are
// fetching that.
func (p *posts) trim(s span, at uint64) span {
	p.others(func(_ *state.Posting, _ uint64, o span) bool {
		switch {
		case o.contains(at):
			s = span{at, at}
		case o.hi <= at:
			s.lo = max(s.lo, o.hi)
		default:
			s.hi = min(s.hi, o.lo)
		}
		return !s.empty()
	})
	return s
}

// after returns the first region at or after r that no other process is fetching, as far as one
// look tells.
func (p *posts) after(r uint64) uint64 {
	p.others(func(_ *state.Posting, _ uint64, o span) bool {
		if o.contains(r) {
			r = o.hi
		}
		return true
	})
	return r
}

// meets tells whether another process is fetching anything of s.
func (p *posts) meets(s span) (met bool) {
	p.others(func(_ *state.Posting, _ uint64, o span) bool {
		met = o.overlaps(s)
		return !met
	})
	return met
}

// add posts f, if there is a slot.
func (p *posts) add(f *flight) {
	owner := p.name()
	if f.demand || f.early {
		owner |= waitedFor
	}
	for i := range p.head.Posts {
		slot := &p.head.Posts[i]
		if slot.Take(owner, f.lo, f.hi, time.Now()) {
			f.post = &post{p, slot, owner}
			p.mu.Lock()
			defer p.mu.Unlock()
			p.mine = append(p.mine, f.post)
			return
		}
	}
}

// renew says that this process is at work: a posting that no bytes come for is not stale for that.
func (p *posts) renew() {
	now := time.Now()
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, m := range p.mine {
		m.slot.Renew(m.owner, now)
	}
}

// takeOver frees the slots that the background of other processes has. For the one process that
// has the hydrator's lock: whoever had it is gone.
func (p *posts) takeOver() {
	for i := range p.head.Posts {
		slot := &p.head.Posts[i]
		if owner := slot.Owner.Load(); owner != 0 && owner&waitedFor == 0 {
			slot.Release(owner)
		}
	}
}

func (p *post) advance(next uint64) {
	if p != nil {
		p.slot.Advance(p.owner, next, time.Now())
	}
}

// release ends the posting. It may be called again.
func (p *post) release() {
	if p == nil {
		return
	}
	p.posts.mu.Lock()
	defer p.posts.mu.Unlock()
	if i := slices.Index(p.posts.mine, p); i >= 0 {
		p.posts.mine = slices.Delete(p.posts.mine, i, i+1)
		p.slot.Release(p.owner)
	}
}

// post shows f to the other processes. false: one of them has posted a range that overlaps, between
// our look and now. It may see us as we see it, and then both begin again; what must not happen is
// that neither sees the other, and so it is post, then look.
func (c *Clone) post(f *flight) bool {
	if !c.keeping() {
		return true // no bit will tell the others
	}
	c.posts.add(f)
	if c.posts.meets(f.span) {
		f.post.release()
		return false
	}
	return true
}

// other is a range that another process is fetching.
type other struct {
	slot  *state.Posting
	owner uint64
	span  // what is left of it
}

// look returns what is left now; false when the range does not bring region r any more.
func (o other) look(r uint64) (other, bool) {
	o.span = span{o.slot.Next.Load(), o.slot.End.Load()}
	return o, o.slot.Owner.Load() == o.owner && o.slot.Live(time.Now()) && o.contains(r)
}

// awaitOthers waits for cold region r if another process is fetching it, for as long as that seems
// sooner than a request of our own. alone tells that it is not, although that other one goes on.
func (c *Clone) awaitOthers(ctx context.Context, r uint64) (alone bool, err error) {
	o, ok := c.posts.at(r)
	if !ok {
		return false, nil
	}
	own := min(c.pace.alone(), c.timeout()/2)
	if c.arrival(o, r) > own {
		return true, nil
	}
	first, begun := o.lo, time.Now()
	for wait := 100 * time.Microsecond; !c.local(r); wait = min(2*wait, 2*time.Millisecond) {
		if o, ok = o.look(r); !ok {
			return false, nil
		}
		if waited := time.Since(begun); waited >= own {
			// What came meanwhile tells how long the rest will take.
			came, left := o.lo-first, r+1-o.lo
			if came == 0 || float64(waited)*float64(left)/float64(came) > float64(own) {
				return true, nil
			}
		}
		if err := sleep(ctx, wait); err != nil {
			return false, err
		}
	}
	return false, nil
}

// arrival is how long another process may take to bring region r.
func (c *Clone) arrival(o other, r uint64) time.Duration {
	most := 0.0
	if o.owner&waitedFor == 0 {
		most = float64(c.head().Bandwidth.Load()) / sharers
	}
	return c.pace.estimate(c.geo.start(r+1)-c.geo.start(o.lo), 0, c.pace.alone(), 0, most)
}
