package clone

import (
	"context"
	"errors"
	"fmt"
	"sync"

	"golang.org/x/sync/semaphore"

	"hydrant/dest"
)

const (
	// dirtyBytes is how much of what the background wrote may wait for the disk: a commit's sync
	// waits behind all of it.
	dirtyBytes = 16 << 20
	// writers is how many pieces are on their way to the disk at once.
	writers = 4
)

// writeBehind keeps what the background wrote from piling up in memory. Flights hand it pieces
// and go on; they wait only when there is more than dirtyBytes of them.
type writeBehind struct {
	c      *Clone
	power  dest.WriteBehind // nil: dest has not the power
	room   *semaphore.Weighted
	pieces chan piece
	begin  sync.Once // of the writers: a clone that is not hydrated needs none
	wg     sync.WaitGroup
}

// piece is a range of dest, in bytes.
type piece struct{ off, n int64 }

func newWriteBehind(c *Clone) *writeBehind {
	w := &writeBehind{c: c, room: semaphore.NewWeighted(dirtyBytes), pieces: make(chan piece)}
	if power, ok := dest.As[dest.WriteBehind](c.dst); ok {
		w.power = power
	}
	return w
}

// add says that [off, off+n) was written, n at most dirtyBytes.
func (w *writeBehind) add(ctx context.Context, off, n int64) error {
	if w.power == nil || n <= 0 {
		return nil
	}
	w.begin.Do(func() {
		for range writers {
			w.wg.Go(w.write)
		}
	})
	if err := w.room.Acquire(ctx, n); err != nil {
		return err
	}
	select {
	case w.pieces <- piece{off, n}:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// write is the goroutine of one writer.
func (w *writeBehind) write() {
	for p := range w.pieces {
		// The kernel tells of a lost write once: an error is a failed sync, and the mode says so.
		_ = w.c.syncOrSay(func() error {
			if err := w.power.AwaitWrite(p.off, p.n); err != nil && !errors.Is(err, errors.ErrUnsupported) {
				return fmt.Errorf("%w, writing back %s: %w", errUnsynced, w.c.target.Name(), err)
			}
			return nil
		})
		w.room.Release(p.n)
	}
}

// close ends the writers. No add may be running.
func (w *writeBehind) close() {
	close(w.pieces)
	w.wg.Wait()
}

// pieceBytes is how much a flight writes before it hands that over. Each piece is two switches of a
// thread, and two of a goroutine.
const pieceBytes = 1 << 20

// trail hands over what one flight has written, in pieces of pieceBytes or little more.
type trail struct {
	w    *writeBehind
	next int64 // where what was not handed over begins
	end  int64 // of the flight
}

// upTo says that all before off has been written.
func (t *trail) upTo(ctx context.Context, off int64) error {
	if n := off - t.next; n < pieceBytes && off < t.end {
		return nil
	}
	for t.next < off {
		n := min(off-t.next, dirtyBytes)
		if err := t.w.add(ctx, t.next, n); err != nil {
			return err
		}
		t.next += n
	}
	return nil
}
