package torture

import (
	"context"
	"errors"
	"time"
)

// check holds the database against the oracle. What the source's failures prevent is tried again.
func (c *child) check(ctx context.Context) error {
	for {
		rows, seqs, err := Oracle{c.Shape, c.Oracle}.Check(ctx, c.DSN, c.Pragmas, c.Low, c.High)
		if err == nil {
			c.say(Event{What: SaidChecked, Rows: rows, Seqs: &seqs})
			return nil
		}
		c.trouble("check", err)
		if c.ending.Load() {
			return err
		}
		rest(50)
	}
}

// finish checks the database, brings all of it here, and ends as its only user: what is left is a
// plain file. From SaidReady on nothing is written.
func (c *child) finish(ctx context.Context) error {
	db, err := c.settle(ctx)
	if err != nil {
		return err
	}
	c.say(Event{What: SaidReady})
	if _, ok := <-c.orders; !ok {
		return errors.New("given up")
	}
	for begin := time.Now(); ; {
		rows, seqs, err := Oracle{c.Shape, c.Oracle}.check(ctx, db, c.Low, c.High)
		if err == nil {
			c.say(Event{What: SaidChecked, Rows: rows, Seqs: &seqs})
			break
		}
		c.trouble("check", err)
		if time.Since(begin) > time.Minute {
			return err
		}
		rest(50)
	}
	if err := c.hydrate(ctx, db); err != nil {
		return err
	}
	return db.close()
}

// settle opens the database and has all that was committed moved into the main file.
func (c *child) settle(ctx context.Context) (*connection, error) {
	for {
		db, err := connect(ctx, c.DSN, append(c.Pragmas, "PRAGMA wal_checkpoint(TRUNCATE)", "SELECT count(*) FROM log"))
		if err == nil || c.ending.Load() {
			return db, err
		}
		c.trouble("open", err)
		rest(50)
	}
}

// hydrate waits until the clone is complete.
func (c *child) hydrate(ctx context.Context, db *connection) error {
	for begin := time.Now(); ; rest(20) {
		var done int
		err := db.run(ctx, Statement{SQL: "SELECT hydrant_hydrate(1)"})
		if err == nil {
			err = db.QueryRowContext(ctx, "SELECT hydrant_wait(5)").Scan(&done)
		}
		if err == nil && done == 1 {
			return nil
		}
		c.say(Event{What: SaidLooked})
		if time.Since(begin) > time.Minute {
			var status string
			_ = db.QueryRowContext(ctx, "SELECT hydrant_status()").Scan(&status)
			return errors.Join(errors.New("not complete after a minute: "+status), err)
		}
	}
}
