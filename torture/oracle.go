package torture

import (
	"context"
	"database/sql"
	"fmt"
	"reflect"
	"strings"

	"github.com/mattn/go-sqlite3"

	"hydrant/internal/shopdb"
)

// Oracle is a plain database in which the acknowledged transactions are done once more. It begins as
// a copy of the source, and goes on from where it was left.
type Oracle struct {
	Shape Shape
	Path  string
}

// Check holds the database of a DSN against the oracle: its structure, that each owner's commits up
// to low are there and none after high, and every row. It returns how many rows there are, and the
// last commits.
func (o Oracle) Check(ctx context.Context, dsn string, pragmas []string, low, high [Owners]int64) (rows int64, seqs [Owners]int64, err error) {
	db, err := connect(ctx, dsn, pragmas)
	if err != nil {
		return 0, seqs, err
	}
	defer func() {
		if cerr := db.close(); err == nil {
			err = cerr
		}
	}()
	return o.check(ctx, db, low, high)
}

func (o Oracle) check(ctx context.Context, db *connection, low, high [Owners]int64) (rows int64, seqs [Owners]int64, err error) {
	if err := db.run(ctx, Statement{SQL: "BEGIN"}); err != nil {
		return 0, seqs, err
	}
	defer func() { _ = db.run(ctx, Statement{SQL: "ROLLBACK"}) }()
	if seqs, err = db.seqs(ctx); err != nil {
		return 0, seqs, err
	}
	for owner, n := range seqs {
		if n < low[owner] || n > high[owner] {
			return 0, seqs, broken{fmt.Errorf("owner %d: the last commit there is %d, it has to be from %d to %d", owner, n, low[owner], high[owner])}
		}
	}
	if err := db.sound(ctx); err != nil {
		return 0, seqs, err
	}
	want, err := o.replay(ctx, seqs)
	if err != nil {
		return 0, seqs, fmt.Errorf("oracle: %w", err)
	}
	defer func() { _ = want.close() }()
	for _, t := range tables {
		n, err := compare(ctx, t.name, t.order, db, want)
		if err != nil {
			return 0, seqs, err
		}
		rows += n
	}
	return rows, seqs, nil
}

// sound has SQLite check its structure.
func (c *connection) sound(ctx context.Context) error {
	var verdict string
	if err := c.QueryRowContext(ctx, "PRAGMA integrity_check(5)").Scan(&verdict); err != nil {
		return fmt.Errorf("integrity_check: %w", err)
	}
	if strings.Contains(verdict, "unable to get the page") { // that a read has failed says nothing of what is there
		return fmt.Errorf("integrity_check: %s: %w", verdict, sqlite3.Error{Code: sqlite3.ErrIoErr})
	}
	if verdict != "ok" {
		return broken{fmt.Errorf("integrity_check: %s", verdict)}
	}
	return nil
}

// replay brings the oracle to where each owner has made so many commits.
func (o Oracle) replay(ctx context.Context, seqs [Owners]int64) (*connection, error) {
	plain, err := shopdb.OpenPlain(o.Path)
	if err != nil {
		return nil, err
	}
	conn, err := plain.Conn(ctx)
	if err != nil {
		_ = plain.Close()
		return nil, err
	}
	db := &connection{plain, conn}
	err = db.run(ctx, Statement{SQL: "PRAGMA journal_mode=MEMORY"}, Statement{SQL: "PRAGMA synchronous=OFF"}, Statement{SQL: "BEGIN"})
	for owner, to := range seqs {
		if err == nil {
			err = o.replayOwner(ctx, db, owner, to)
		}
	}
	if err == nil {
		err = db.run(ctx, Statement{SQL: "COMMIT"})
	}
	if err != nil {
		_ = db.close()
		return nil, err
	}
	return db, nil
}

func (o Oracle) replayOwner(ctx context.Context, db *connection, owner int, to int64) error {
	seq, digest, err := db.last(ctx, owner)
	if err != nil {
		return err
	}
	if seq > to {
		return fmt.Errorf("owner %d: %d commits were seen before, now there are %d", owner, seq, to)
	}
	for seq++; seq <= to; seq++ {
		if err := db.run(ctx, o.Shape.Plan(owner, seq, digest).Kept...); err != nil {
			return err
		}
		digest = chain(digest, owner, seq)
	}
	return nil
}

// compare compares a table, row by row, and returns how many there are.
func compare(ctx context.Context, table, order string, got, want *connection) (n int64, err error) {
	columns := "*"
	if table == "sqlite_schema" {
		columns = "type, name, tbl_name, sql"
	}
	query := fmt.Sprintf("SELECT %s FROM %s ORDER BY %s", columns, table, order)
	a, err := got.QueryContext(ctx, query)
	if err != nil {
		return 0, fmt.Errorf("%s: %w", table, err)
	}
	defer func() { _ = a.Close() }()
	b, err := want.QueryContext(ctx, query)
	if err != nil {
		return 0, fmt.Errorf("oracle: %s: %w", table, err)
	}
	defer func() { _ = b.Close() }()
	for ; ; n++ {
		x, err := row(a)
		if err != nil {
			return n, fmt.Errorf("%s: %w", table, err)
		}
		y, err := row(b)
		if err != nil {
			return n, fmt.Errorf("oracle: %s: %w", table, err)
		}
		if !reflect.DeepEqual(x, y) {
			return n, broken{fmt.Errorf("%s: row %d is %.300q, want %.300q", table, n, fmt.Sprint(x...), fmt.Sprint(y...))}
		}
		if x == nil {
			return n, nil
		}
	}
}

// row is the next row, nil at the end.
func row(rows *sql.Rows) ([]any, error) {
	if !rows.Next() {
		return nil, rows.Err()
	}
	columns, err := rows.Columns()
	if err != nil {
		return nil, err
	}
	values, refs := make([]any, len(columns)), make([]any, len(columns))
	for i := range values {
		refs[i] = &values[i]
	}
	return values, rows.Scan(refs...)
}
