package hedge

import (
	"sync"
	"time"

	"hydrant/source"
)

const (
	// price is how many reads have to come for each second request, and most how many of these are
	// saved up.
	price = 20
	most  = 8
	// calm is how long nothing is asked for twice after the server has said that it is too much.
	calm = 30 * time.Second
)

// budget bounds the second requests. It begins empty: they are never more than one for price reads.
type budget struct {
	mu    sync.Mutex // guards the rest
	saved int        // reads
	until time.Time  // nothing is spent before
}

// earn counts a read.
func (b *budget) earn() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.saved = min(b.saved+1, most*price)
}

// any tells whether there may be something to spend.
func (b *budget) any() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.anyLocked()
}

func (b *budget) anyLocked() bool { return b.saved >= price && !time.Now().Before(b.until) }

// spend takes one second request off the budget, if it has one.
func (b *budget) spend() bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if !b.anyLocked() {
		return false
	}
	b.saved -= price
	return true
}

// heed looks for the word of a server that is asked too often.
func (b *budget) heed(err error) {
	if err == nil || source.KindOf(err) != source.Throttled {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.until = time.Now().Add(calm)
}
