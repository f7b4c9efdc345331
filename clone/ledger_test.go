package clone

import (
	"context"
	"errors"
	"testing"

	"hydrant/internal/crc"
	"hydrant/internal/pattern"
	"hydrant/source"
)

// known is a store that keeps a checksum.
type known struct {
	kind  *crc.Kind
	value uint64
	err   error
	asked chan struct{} // answers when closed; nil: at once
}

func (k known) Sum(ctx context.Context, _ source.Identity) (source.Sum, bool, error) {
	if k.asked != nil {
		<-k.asked
	}
	return source.Sum{Kind: k.kind, Value: k.value}, k.kind != nil, k.err
}

// Runs of any length, in any order, before and after the kind of checksum is known, are one sum in
// the end; one bit, or one run at another place, and it is another.
func TestLedger(t *testing.T) {
	b := pattern.Blob{Seed: 3}.Bytes(300_000)
	r := newRand(uint64(len(b)))
	for round := range 60 {
		kind := crcKinds[round%len(crcKinds)]
		l := newLedger(int64(len(b)))
		asked := make(chan struct{})
		go l.ask(t.Context(), known{kind, kind.Update(0, b), nil, asked}, source.Identity{})
		flipped := -1
		if round%2 == 1 {
			flipped = r.IntN(len(b))
		}
		cuts := []int{0, len(b)}
		for range r.IntN(40) {
			cuts = append(cuts, r.IntN(len(b)))
		}
		order := r.Perm(len(cuts))
		for n, i := range order {
			lo := cuts[i]
			hi := len(b)
			for _, c := range cuts {
				if c > lo && c < hi {
					hi = c
				}
			}
			dup := lo == hi
			for _, j := range order[:n] {
				dup = dup || cuts[j] == lo
			}
			if dup {
				continue
			}
			if n == len(order)/2 {
				close(asked)
				<-l.asked
			}
			if ok, err := l.verdictNow(); ok || err != nil {
				t.Fatalf("a verdict on a part: %v, %v", ok, err)
			}
			p := append([]byte(nil), b[lo:hi]...)
			if lo <= flipped && flipped < hi {
				p[flipped-lo] ^= 1 << r.IntN(8)
			}
			l.add(int64(lo), p)
		}
		select {
		case <-asked:
		default:
			close(asked)
			<-l.asked
		}
		checked, err := l.verdict(t.Context())
		if !checked || errors.Is(err, ErrCorrupt) != (flipped >= 0) {
			t.Fatalf("round %d, %s, flipped at %d: %v, %v", round, kind.Name, flipped, checked, err)
		}
	}
}

// verdictNow does not wait for the checksum.
func (l *ledger) verdictNow() (bool, error) {
	select {
	case <-l.asked:
		return l.verdict(context.Background())
	default:
		return false, nil
	}
}

// Without a checksum there is nothing to say, and nothing is kept for ever.
func TestLedgerWithoutChecksum(t *testing.T) {
	for name, k := range map[string]known{"none": {}, "failed": {kind: crc.CRC32, err: errors.New("no")}} {
		l := newLedger(10)
		l.ask(t.Context(), k, source.Identity{})
		l.add(0, make([]byte, 10))
		if ok, err := l.verdict(t.Context()); ok || err != nil {
			t.Errorf("%s: %v, %v", name, ok, err)
		}
	}
	l := newLedger(1 << 40)
	for i := range int64(mostPieces + 10) {
		l.add(2*i, []byte{1})
	}
	if l.pieces != nil || !l.off.Load() {
		t.Errorf("%d pieces are kept", len(l.pieces))
	}
	(*ledger)(nil).add(0, []byte{1})
}
