//go:build e2e && linux

package hosts

import (
	"bufio"
	"context"
	"database/sql"
	"fmt"
	"os"
	"strings"
	"sync"
	"testing"

	"hydrant/sqlitevfs"
)

func TestMain(m *testing.M) {
	if len(os.Args) > 1 && os.Args[1] == "child:worker" {
		if err := worker(); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

// worker is testdata/worker.py in Go.
func worker() error {
	if err := sqlitevfs.Register("hydrant", nil); err != nil {
		return err
	}
	var db *sql.DB
	in := bufio.NewScanner(os.Stdin)
	in.Buffer(nil, 1<<20)
	for in.Scan() {
		line := in.Text()
		var err error
		if name, ok := strings.CutPrefix(line, ".open "); ok {
			if db, err = sql.Open("sqlite3", name); err == nil {
				db.SetMaxOpenConns(1)
				err = db.Ping()
			}
		} else {
			err = printRows(db, line)
		}
		if err != nil {
			fmt.Println("Error:", err)
		}
		fmt.Println("--end--")
	}
	if db == nil {
		return in.Err()
	}
	return db.Close()
}

func printRows(db *sql.DB, query string) error {
	rows, err := db.QueryContext(context.Background(), query)
	if err != nil {
		return err
	}
	defer rows.Close()
	names, err := rows.Columns()
	if err != nil {
		return err
	}
	for rows.Next() {
		cells, at := make([]sql.NullString, len(names)), make([]any, len(names))
		for i := range cells {
			at[i] = &cells[i]
		}
		if err := rows.Scan(at...); err != nil {
			return err
		}
		for i, c := range cells {
			fmt.Print([]string{"", "|"}[min(i, 1)], c.String)
		}
		fmt.Println()
	}
	return rows.Err()
}

// lines collects a child's output while a test may look at it.
type lines struct {
	mu  sync.Mutex
	buf strings.Builder
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.Write(p)
}

func (l *lines) String() string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.buf.String()
}
