package torture

import (
	"context"
	"math/rand/v2"
)

// writer runs the transactions of one owner. Each is acknowledged before the next begins.
type writer struct {
	*child
	rand   *rand.Rand
	db     *connection
	seq    int64 // the last that was committed
	digest string
}

func (c *child) write(ctx context.Context) error {
	w := &writer{child: c, rand: random(c.Seed, 'W', int64(c.Owner), 0)}
	if !w.open(ctx) {
		return nil
	}
	w.say(Event{What: SaidStart, Seq: w.seq})
	for !w.ending.Load() {
		w.step(ctx)
		if w.Reopen > 0 && w.rand.IntN(w.Reopen) == 0 {
			if err := w.db.close(); err != nil {
				w.trouble("close", err)
			}
			if !w.open(ctx) {
				return nil
			}
		}
		if w.Pause > 0 {
			rest(w.rand.Int64N(int64(w.Pause)))
		}
	}
	return w.db.close()
}

// open opens the database and finds where it stands. What may fail is tried again until the parent
// has enough: false.
func (w *writer) open(ctx context.Context) bool {
	for !w.ending.Load() {
		db, err := connect(ctx, w.DSN, w.Pragmas)
		if err == nil {
			w.db = db
			return w.find(ctx)
		}
		w.trouble("open", err)
		rest(20)
	}
	return false
}

// find asks the database for the last commit, until it answers.
func (w *writer) find(ctx context.Context) bool {
	for !w.ending.Load() {
		seq, digest, err := w.db.last(ctx, w.Owner)
		if err == nil {
			w.seq, w.digest = seq, digest
			return true
		}
		w.trouble("look for the last commit", err)
		rest(20)
	}
	return false
}

// step tries the next transaction, and acknowledges it if it was committed.
func (w *writer) step(ctx context.Context) {
	tx := w.Shape.Plan(w.Owner, w.seq+1, w.digest)
	if tx.Discarded != nil {
		if err := w.within(ctx, tx.Begin, tx.Discarded, "ROLLBACK"); err != nil {
			w.trouble("discarded transaction", err)
			return
		}
	}
	was := w.seq
	if err := w.within(ctx, tx.Begin, tx.Kept, "COMMIT"); err != nil {
		w.trouble("transaction", err)
		rest(int64(w.rand.IntN(10)))
		if w.find(ctx) && w.seq > was {
			w.say(Event{What: SaidAck, Seq: w.seq})
		}
		return
	}
	w.seq, w.digest = w.seq+1, chain(w.digest, w.Owner, w.seq+1)
	w.say(Event{What: SaidAck, Seq: w.seq})
	for _, s := range tx.After {
		if err := w.db.run(ctx, Statement{SQL: s}); err != nil {
			w.trouble("afterwards", err)
		}
	}
}

// within runs statements inside of a transaction. On an error it is rolled back, if SQLite has not
// done so; it may have been committed all the same when the error is that of COMMIT.
func (w *writer) within(ctx context.Context, begin string, list []Statement, end string) error {
	err := w.db.run(ctx, Statement{SQL: begin})
	if err == nil {
		err = w.db.run(ctx, list...)
	}
	if err == nil {
		err = w.db.run(ctx, Statement{SQL: end})
	}
	if err != nil {
		_ = w.db.run(ctx, Statement{SQL: "ROLLBACK"})
	}
	return err
}
