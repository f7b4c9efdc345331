package torture

import (
	"context"
	"database/sql"
	"errors"
	"fmt"

	"hydrant/sqlitevfs"
)

// connection is one connection to the database of a DSN.
type connection struct {
	db *sql.DB
	*sql.Conn
}

// connect opens the database and runs the pragmas, which may be in somebody's way and fail.
func connect(ctx context.Context, dsn string, pragmas []string) (*connection, error) {
	if err := sqlitevfs.Register("", nil); err != nil && !errors.Is(err, sqlitevfs.ErrRegistered) {
		return nil, err
	}
	db, err := sql.Open("sqlite3", dsn)
	if err != nil {
		return nil, err
	}
	conn, err := db.Conn(ctx)
	if err != nil {
		return nil, errors.Join(err, db.Close())
	}
	c := &connection{db, conn}
	for _, p := range pragmas {
		if _, err := c.ExecContext(ctx, p); err != nil && !isBusy(code(err)) {
			return nil, errors.Join(fmt.Errorf("%s: %w", p, err), c.close())
		}
	}
	return c, nil
}

func (c *connection) close() error { return errors.Join(c.Conn.Close(), c.db.Close()) }

// run runs statements.
func (c *connection) run(ctx context.Context, list ...Statement) error {
	for _, s := range list {
		if _, err := c.ExecContext(ctx, s.SQL, s.Args...); err != nil {
			return fmt.Errorf("%.40s: %w", s.SQL, err)
		}
	}
	return nil
}

// last is the last commit of an owner, and its digest.
func (c *connection) last(ctx context.Context, owner int) (seq int64, digest string, err error) {
	err = c.QueryRowContext(ctx, "SELECT seq, digest FROM log WHERE owner=? ORDER BY seq DESC LIMIT 1", owner).Scan(&seq, &digest)
	if errors.Is(err, sql.ErrNoRows) {
		err = nil
	}
	return seq, digest, err
}

// seqs are the last commits of all owners.
func (c *connection) seqs(ctx context.Context) (seqs [Owners]int64, err error) {
	for owner := range seqs {
		if seqs[owner], _, err = c.last(ctx, owner); err != nil {
			break
		}
	}
	return seqs, err
}
