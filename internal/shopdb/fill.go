package shopdb

import (
	"context"
	"database/sql"
)

// ordersPerCustomer is how many orders there are to a customer, in the mean.
const ordersPerCustomer = 10

// fill makes the schema and adds rows until the database is as large as it is to be: a customer
// signs up, some customers order, and so on.
func fill(ctx context.Context, db *sql.DB, opts Options) error {
	if _, err := db.ExecContext(ctx, schema); err != nil {
		return err
	}
	tx, err := db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer func() { _ = tx.Rollback() }()
	customer, err := tx.PrepareContext(ctx, insertCustomer)
	if err != nil {
		return err
	}
	order, err := tx.PrepareContext(ctx, insertOrder)
	if err != nil {
		return err
	}
	pages, err := tx.PrepareContext(ctx, "PRAGMA page_count")
	if err != nil {
		return err
	}

	s := newShop(opts.Seed)
	for {
		var n int64
		if err := pages.QueryRowContext(ctx).Scan(&n); err != nil {
			return err
		}
		done := n * int64(opts.PageSize)
		opts.Progress(min(done, opts.Size), opts.Size)
		if done >= opts.Size {
			return tx.Commit()
		}
		// Far from the end the size is asked for seldom, near it after every customer.
		for range max(1, min(256, (opts.Size-done)/(64<<10))) {
			if _, err := customer.ExecContext(ctx, s.customer()...); err != nil {
				return err
			}
			for range ordersPerCustomer {
				if _, err := order.ExecContext(ctx, s.order()...); err != nil {
					return err
				}
			}
		}
	}
}
