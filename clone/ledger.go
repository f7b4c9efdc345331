package clone

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"hydrant/internal/crc"
	"hydrant/source"
)

// ledger checks what was put into dest against the checksum that the source's store keeps of the
// whole blob. It holds the CRC of every run of bytes that this process has put there, and joins
// neighbours; when one piece is left that is all of the blob, its CRC has to be the store's.
//
// So it sees everything that can go wrong between the store and dest (a bit that flips on the way or
// in memory, a server that mixes two versions, a range at the wrong place), but as one yes or no at
// the end: ranges have no checksums of their own, and bytes are given to readers as they come. It
// says nothing when bytes came from elsewhere: written before they were fetched, put there by
// another process or in an earlier life.
//
// The rejected alternative, fetching in the store's own parts and believing each when its checksum
// holds, needs memory for whole parts in flight, or a second kind of local.
type ledger struct {
	size  int64
	asked chan struct{} // closed when sum is known, or known not to be had
	sum   source.Sum    // written before asked is closed; no Kind: there is none
	off   atomic.Bool   // nothing can come of it any more

	mu     sync.Mutex // guards pieces
	pieces map[int64]*stretch
}

// stretch is a run of bytes [lo, hi). It is in the table by its lo and by its hi.
type stretch struct {
	lo, hi int64
	sums   [len(crcKinds)]uint64
}

var crcKinds = [...]*crc.Kind{crc.CRC64NVME, crc.CRC32C, crc.CRC32}

const (
	// mostPieces bounds the table: a blob that is read all over and never hydrated is not checked.
	mostPieces = 1 << 15
	// longestAsking bounds how long the checksum is waited for.
	longestAsking = 5 * time.Second
)

func newLedger(size int64) *ledger {
	return &ledger{size: size, asked: make(chan struct{}), pieces: make(map[int64]*stretch)}
}

// keepLedger begins to note what is put into dest. Nothing is there yet, and all of it is on its way.
func (c *Clone) keepLedger() {
	s, ok := source.As[source.Summer](c.src)
	if !ok {
		return
	}
	c.ledger = newLedger(c.geo.size)
	c.src.count()
	c.spawn(func() { c.ledger.ask(c.ctx, s, c.id) })
}

// ask is the goroutine that asks the source for its checksum.
func (l *ledger) ask(ctx context.Context, s source.Summer, id source.Identity) {
	defer close(l.asked)
	ctx, cancel := context.WithTimeout(source.InBackground(ctx), longestAsking)
	defer cancel()
	sum, ok, err := s.Sum(ctx, id)
	if err != nil || !ok {
		l.off.Store(true)
		return
	}
	l.sum = sum
}

// add notes that b has been put into dest at off. The caller holds the claim on these bytes, which
// were cold. A nil ledger takes no notes.
func (l *ledger) add(off int64, b []byte) {
	if l == nil || l.off.Load() || len(b) == 0 {
		return
	}
	p := &stretch{lo: off, hi: off + int64(len(b))}
	for i, k := range crcKinds {
		if l.wants(k) {
			p.sums[i] = k.Update(0, b)
		}
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.pieces == nil {
		return
	}
	left, right := l.pieces[p.lo], l.pieces[p.hi]
	if left != nil {
		p = l.joinLocked(left, p)
	}
	if right != nil {
		p = l.joinLocked(p, right)
	}
	l.pieces[p.lo], l.pieces[p.hi] = p, p
	if len(l.pieces) > 2*mostPieces {
		l.off.Store(true)
		l.pieces = nil
	}
}

// wants tells whether k may be the kind of the checksum. As long as that is not known, any is.
func (l *ledger) wants(k *crc.Kind) bool {
	select {
	case <-l.asked:
		return l.sum.Kind == k
	default:
		return true
	}
}

func (l *ledger) joinLocked(a, b *stretch) *stretch {
	for _, at := range []int64{a.lo, a.hi, b.hi} {
		delete(l.pieces, at)
	}
	p := &stretch{lo: a.lo, hi: b.hi}
	for i, k := range crcKinds {
		p.sums[i] = k.Join(a.sums[i], b.sums[i], b.hi-b.lo)
	}
	return p
}

// verdict is an error when all of the blob has been put into dest by this process, and is not what
// the store's checksum is of. It may wait for that checksum. checked tells whether it could be told.
func (l *ledger) verdict(ctx context.Context) (checked bool, err error) {
	if l == nil || l.off.Load() {
		return false, nil
	}
	select {
	case <-l.asked:
	case <-ctx.Done():
		return false, ctx.Err()
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	p := l.pieces[0]
	if l.sum.Kind == nil || p == nil || p.lo != 0 || p.hi != l.size {
		return false, nil
	}
	for i, k := range crcKinds {
		if k == l.sum.Kind && p.sums[i] != l.sum.Value {
			return true, fmt.Errorf("%w: %s of what was fetched is %0*x, the source's is %0*x; delete it and clone again",
				ErrCorrupt, k.Name, 2*k.Size(), p.sums[i], 2*k.Size(), l.sum.Value)
		}
	}
	return true, nil
}
