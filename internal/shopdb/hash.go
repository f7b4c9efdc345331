package shopdb

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"hash"
	"math"
	"strings"
)

// Hash is a digest of everything the database says: the schema, and every row of every table in
// order of its key, with the types of values. Two databases of equal content have equal digests
// wherever their pages lie. Tables WITHOUT ROWID are refused. It reads in one transaction.
func Hash(ctx context.Context, db *sql.DB) (string, error) {
	tx, err := db.BeginTx(ctx, &sql.TxOptions{ReadOnly: true})
	if err != nil {
		return "", fmt.Errorf("shopdb: hash: %w", err)
	}
	defer func() { _ = tx.Rollback() }()

	h := sha256.New()
	tables, err := tablesOf(ctx, tx)
	if err != nil {
		return "", fmt.Errorf("shopdb: hash: schema: %w", err)
	}
	queries := []string{"SELECT type, name, tbl_name, sql FROM sqlite_schema ORDER BY name"}
	for _, t := range tables {
		queries = append(queries, fmt.Sprintf(`SELECT rowid, * FROM "%s" ORDER BY rowid`, strings.ReplaceAll(t, `"`, `""`)))
	}
	for _, q := range queries {
		hashValue(h, q)
		if err := hashRows(ctx, tx, h, q); err != nil {
			return "", fmt.Errorf("shopdb: hash: %s: %w", q, err)
		}
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}

func tablesOf(ctx context.Context, tx *sql.Tx) (names []string, err error) {
	rows, err := tx.QueryContext(ctx, "SELECT name FROM sqlite_schema WHERE type='table' AND rootpage>0 ORDER BY name")
	if err != nil {
		return nil, err
	}
	defer func() { _ = rows.Close() }()
	for rows.Next() {
		var name string
		if err := rows.Scan(&name); err != nil {
			return nil, err
		}
		names = append(names, name)
	}
	return names, rows.Err()
}

func hashRows(ctx context.Context, tx *sql.Tx, h hash.Hash, query string) error {
	rows, err := tx.QueryContext(ctx, query)
	if err != nil {
		return err
	}
	defer func() { _ = rows.Close() }()
	cols, err := rows.Columns()
	if err != nil {
		return err
	}
	values, refs := make([]any, len(cols)), make([]any, len(cols))
	for i := range values {
		refs[i] = &values[i]
	}
	for rows.Next() {
		if err := rows.Scan(refs...); err != nil {
			return err
		}
		for _, v := range values {
			hashValue(h, v)
		}
	}
	return rows.Err()
}

// hashValue writes the type, the length where it varies, and the value, so that no two rows look
// alike to the hash.
func hashValue(h hash.Hash, v any) {
	var b [9]byte
	fixed := func(kind byte, n uint64) {
		b[0] = kind
		binary.BigEndian.PutUint64(b[1:], n)
		_, _ = h.Write(b[:])
	}
	switch v := v.(type) {
	case nil:
		fixed('n', 0)
	case int64:
		fixed('i', uint64(v))
	case float64:
		fixed('f', math.Float64bits(v))
	case string:
		fixed('t', uint64(len(v)))
		_, _ = h.Write([]byte(v))
	case []byte:
		fixed('b', uint64(len(v)))
		_, _ = h.Write(v)
	default: // what the driver makes of columns declared as times or booleans
		hashValue(h, fmt.Sprintf("%T %v", v, v))
	}
}
