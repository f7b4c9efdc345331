package torture

import (
	"context"
	"fmt"
	"math/rand/v2"
)

// read looks at the database again and again, in one transaction each time, for what holds in every
// state that was ever committed.
func (c *child) read(ctx context.Context) error {
	r := random(c.Seed, 'R', 0, 0)
	for !c.ending.Load() {
		db, err := connect(ctx, c.DSN, c.Pragmas)
		if err != nil {
			c.trouble("open", err)
			rest(20)
			continue
		}
		for n := 1 + r.IntN(30); n > 0 && !c.ending.Load(); n-- {
			c.look(ctx, db, r)
			rest(r.Int64N(int64(max(1, c.Pause))))
		}
		if err := db.close(); err != nil {
			c.trouble("close", err)
		}
	}
	return nil
}

// look asks the parent first, who knows what was committed before.
func (c *child) look(ctx context.Context, db *connection, r *rand.Rand) {
	c.say(Event{What: SaidReading})
	if _, ok := <-c.orders; !ok {
		return
	}
	seqs, err := db.invariants(ctx, r, c.Light)
	if err != nil {
		c.trouble("read", err)
		rest(20)
		return
	}
	c.say(Event{What: SaidSaw, Seqs: &seqs})
}

// broken is an error that nothing excuses.
type broken struct{ error }

// invariants checks some of what is true in every committed state, and returns the last commits.
func (c *connection) invariants(ctx context.Context, r *rand.Rand, light bool) (seqs [Owners]int64, err error) {
	if err = c.run(ctx, Statement{SQL: "BEGIN"}); err != nil {
		return seqs, err
	}
	defer func() { _ = c.run(ctx, Statement{SQL: "ROLLBACK"}) }()
	if seqs, err = c.seqs(ctx); err != nil {
		return seqs, err
	}
	checks := []func(context.Context) error{c.totals, c.totals, c.balances, c.chains, c.indexes}
	if light {
		checks = []func(context.Context) error{c.balances, c.chains}
	}
	for range 1 + r.IntN(2) {
		if err := checks[r.IntN(len(checks))](ctx); err != nil {
			return seqs, err
		}
	}
	return seqs, nil
}

// none fails when the query, which counts what is wrong, finds something.
func (c *connection) none(ctx context.Context, query string) error {
	var n int64
	if err := c.QueryRowContext(ctx, query).Scan(&n); err != nil {
		return fmt.Errorf("%.40s: %w", query, err)
	}
	if n != 0 {
		return broken{fmt.Errorf("%d × %s", n, query)}
	}
	return nil
}

func (c *connection) totals(ctx context.Context) error {
	return c.none(ctx, `SELECT count(*) FROM totals t WHERE n<>(SELECT count(*) FROM items i WHERE i.kind=t.kind)
		OR sum<>(SELECT coalesce(sum(v),0) FROM items i WHERE i.kind=t.kind)`)
}

func (c *connection) balances(ctx context.Context) error {
	return c.none(ctx, fmt.Sprintf("SELECT count(*) FROM (SELECT owner FROM accounts GROUP BY owner HAVING sum(balance)<>%d OR count(*)<>%d)",
		accounts*openingBalance, accounts))
}

// indexes compares a table with an index of it.
func (c *connection) indexes(ctx context.Context) error {
	return c.none(ctx, `SELECT (SELECT total(v) FROM items NOT INDEXED) <> (SELECT total(v) FROM items INDEXED BY items_kind WHERE kind>=0)
		OR (SELECT count(*) FROM items NOT INDEXED) <> (SELECT count(*) FROM items INDEXED BY items_name WHERE name>='')`)
}

// chains follows the log of each owner from the beginning.
func (c *connection) chains(ctx context.Context) (err error) {
	rows, err := c.QueryContext(ctx, "SELECT owner, seq, digest FROM log ORDER BY owner, seq")
	if err != nil {
		return err
	}
	defer func() { _ = rows.Close() }()
	var lasts [Owners]struct {
		seq    int64
		digest string
	}
	for rows.Next() {
		var owner int
		var seq int64
		var digest string
		if err := rows.Scan(&owner, &seq, &digest); err != nil {
			return err
		}
		last := &lasts[owner]
		if want := chain(last.digest, owner, last.seq+1); seq != last.seq+1 || digest != want {
			return broken{fmt.Errorf("log of owner %d: %d %s follows %d, want %s", owner, seq, digest, last.seq, want)}
		}
		last.seq, last.digest = seq, digest
	}
	return rows.Err()
}
