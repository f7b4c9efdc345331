package coldstart

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"slices"
	"strings"

	"hydrant/internal/shopdb"
)

// workload is what is asked of a database, made for the database at hand: its longest table with a
// rowid, and an index of it.
type workload struct {
	Point  string  // a row by its rowid
	First  int64   // the first rowid asked for
	Points []int64 // those asked for later, in random order
	Range  string  // rows that are neighbours in an index
	Scan   string  // reads all of the table
	Part   string  // reads a part of it, one row in partOf
	Touch  string  // changes an indexed column of a row, by its rowid
	Insert string  // copies a row, by its rowid; Touch where a unique index forbids that

	Depth int   // pages from the root to a row of the table
	Chain int   // of them those that an opening does not bring along, plus the opening
	Size  int64 // of the file, bytes
}

// scriptFirst is what somebody asks who has been waiting: a row, a change, more rows.
func (w *workload) scriptFirst() []step {
	return []step{
		{Name: "row", SQL: w.Point, Args: []int64{w.First}},
		{Name: "commit", SQL: w.Touch, Args: []int64{w.First}, Exec: true},
		{Name: "points", SQL: w.Point, Args: w.Points[:20]},
		{Name: "range", SQL: w.Range},
	}
}

// scriptRead is the same for what cannot write.
func (w *workload) scriptRead() []step {
	return slices.DeleteFunc(w.scriptFirst(), func(s step) bool { return s.Exec })
}

// study looks at the database at path, which nobody is using, and says what to ask of it.
func study(ctx context.Context, path string) (*workload, error) {
	db, err := shopdb.OpenPlain(path)
	if err != nil {
		return nil, err
	}
	defer db.Close()
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	t, err := longestTable(ctx, db)
	if err != nil {
		return nil, err
	}
	w := &workload{Size: info.Size()}
	if err := t.queries(ctx, db, w); err != nil {
		return nil, err
	}
	if w.Points, err = t.someRows(ctx, db, 4000); err != nil {
		return nil, err
	}
	w.First = w.Points[0]
	w.Points = w.Points[1:]
	if len(w.Points) < 20 {
		return nil, errors.New("the database is too small to ask it anything")
	}
	pages, err := descend(path, t.root, w.First)
	if err != nil {
		return nil, err
	}
	w.Depth, w.Chain = len(pages), 1
	for _, off := range pages {
		if off >= headBytes {
			w.Chain++
		}
	}
	return w, nil
}

// headBytes is what comes along with the opening of a clone.
const headBytes = 64 << 10

// table is one of a database's.
type table struct {
	name   string
	root   int64
	most   int64 // greatest rowid
	column []string
	kind   []string // declared types of the columns
	rowid  string   // the column that is the rowid, "" for none
}

func longestTable(ctx context.Context, db *sql.DB) (best table, err error) {
	rows, err := db.QueryContext(ctx, "SELECT name, rootpage FROM sqlite_schema WHERE type = 'table' AND rootpage > 0 AND name NOT LIKE 'sqlite_%'")
	if err != nil {
		return best, err
	}
	var all []table
	for rows.Next() {
		var t table
		if err := rows.Scan(&t.name, &t.root); err != nil {
			return best, err
		}
		all = append(all, t)
	}
	if err := errors.Join(rows.Err(), rows.Close()); err != nil {
		return best, err
	}
	for _, t := range all {
		var most sql.NullInt64
		if db.QueryRowContext(ctx, "SELECT max(rowid) FROM "+quote(t.name)).Scan(&most) != nil {
			continue // WITHOUT ROWID
		}
		if t.most = most.Int64; t.most > best.most {
			best = t
		}
	}
	if best.name == "" {
		return best, errors.New("the database has no table with rows and rowids")
	}
	return best, best.columns(ctx, db)
}

func (t *table) columns(ctx context.Context, db *sql.DB) error {
	rows, err := db.QueryContext(ctx, "SELECT name, upper(type), pk FROM pragma_table_info(?)", t.name)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		var name, kind string
		var pk int
		if err := rows.Scan(&name, &kind, &pk); err != nil {
			return err
		}
		t.column, t.kind = append(t.column, name), append(t.kind, kind)
		if pk > 0 && kind == "INTEGER" {
			t.rowid = name
		}
	}
	return rows.Err()
}

// queries fills in the SQL.
func (t *table) queries(ctx context.Context, db *sql.DB, w *workload) error {
	name, last := quote(t.name), quote(t.column[len(t.column)-1])
	w.Point = fmt.Sprintf("SELECT * FROM %s WHERE rowid = ?", name)
	w.Scan = fmt.Sprintf("SELECT count(*), sum(length(%s)) FROM %s NOT INDEXED", last, name)
	w.Part = fmt.Sprintf("SELECT count(*), sum(length(%s)) FROM %s NOT INDEXED WHERE rowid BETWEEN %d AND %d", last, name, t.most/2, t.most/2+max(1, t.most/partOf)-1)
	w.Range = fmt.Sprintf("SELECT * FROM %s WHERE rowid >= %d ORDER BY rowid LIMIT 500", name, t.most/3)
	w.Touch = fmt.Sprintf("UPDATE %s SET %s = %s WHERE rowid = ?", name, last, last)

	rows, err := db.QueryContext(ctx, `SELECT l.name, l."unique", i.name, (SELECT count(*) FROM pragma_index_info(l.name))
		FROM pragma_index_list(?) l, pragma_index_info(l.name) i WHERE i.seqno = 0 AND l.partial = 0 AND i.name IS NOT NULL ORDER BY l.name`, t.name)
	if err != nil {
		return err
	}
	defer rows.Close()
	unique, ranged, touched := false, "", ""
	for rows.Next() {
		var index, column string
		var isUnique, columns int
		if err := rows.Scan(&index, &isUnique, &column, &columns); err != nil {
			return err
		}
		unique = unique || isUnique != 0
		if ranged == "" && columns == 1 {
			ranged = column
		}
		if isUnique == 0 && column != t.rowid {
			touched = column
		}
	}
	if err := errors.Join(rows.Err(), rows.Close()); err != nil {
		return err
	}
	if ranged != "" {
		var from string
		q := fmt.Sprintf("SELECT quote(%s) FROM %s WHERE rowid >= ? ORDER BY rowid LIMIT 1", quote(ranged), name)
		if err := db.QueryRowContext(ctx, q, t.most/3).Scan(&from); err != nil {
			return err
		}
		w.Range = fmt.Sprintf("SELECT * FROM %s WHERE %s >= %s ORDER BY %s LIMIT 500", name, quote(ranged), from, quote(ranged))
	}
	if touched != "" {
		w.Touch = fmt.Sprintf("UPDATE %s SET %s = %s WHERE rowid = ?", name, quote(touched), t.other(touched))
	}
	w.Insert = w.Touch
	if !unique {
		list := slices.Clone(t.column)
		for i, c := range list {
			if list[i] = quote(c); c == t.rowid {
				list[i] = "NULL"
			}
		}
		w.Insert = fmt.Sprintf("INSERT INTO %s SELECT %s FROM %s WHERE rowid = ?", name, strings.Join(list, ", "), name)
	}
	return nil
}

// other is an expression for a value that the column does not have now.
func (t *table) other(column string) string {
	kind := t.kind[slices.Index(t.column, column)]
	if strings.Contains(kind, "INT") || strings.Contains(kind, "REAL") || strings.Contains(kind, "NUM") {
		return quote(column) + " + 1"
	}
	return "'seen'"
}

// someRows are n rowids that exist, in random order, the same for the same database.
func (t *table) someRows(ctx context.Context, db *sql.DB, n int) (ids []int64, err error) {
	rng := rand.New(rand.NewPCG(7, uint64(t.most)))
	q := fmt.Sprintf("SELECT rowid FROM %s WHERE rowid >= ? ORDER BY rowid LIMIT 1", quote(t.name))
	for range n {
		var id int64
		if err := db.QueryRowContext(ctx, q, 1+rng.Int64N(t.most)).Scan(&id); err != nil {
			return nil, err
		}
		ids = append(ids, id)
	}
	return ids, nil
}

func quote(name string) string { return `"` + strings.ReplaceAll(name, `"`, `""`) + `"` }
