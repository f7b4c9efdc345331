package main

import (
	"bufio"
	"context"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"strconv"
)

// printer writes rows as the sqlite3 shell does in list mode.
type printer struct {
	w    *bufio.Writer
	real realStmt // makes a real text: only SQLite knows how many digits it takes
}

type realStmt interface {
	driver.Stmt
	driver.StmtQueryContext
}

// newPrinter prepares a printer of what conn answers. Close it before conn.
func newPrinter(w io.Writer, conn driver.Conn) (*printer, error) {
	stmt, err := conn.Prepare("SELECT CAST(?1 AS TEXT)")
	if err != nil {
		return nil, err
	}
	real, ok := stmt.(realStmt)
	if !ok {
		return nil, errors.Join(fmt.Errorf("statements of type %T", stmt), stmt.Close())
	}
	return &printer{w: bufio.NewWriter(w), real: real}, nil
}

func (p *printer) Close() error {
	err := p.w.Flush()
	if cerr := p.real.Close(); err == nil {
		err = cerr
	}
	return err
}

func (p *printer) row(values []driver.Value) error {
	var b []byte
	for i, v := range values {
		if i > 0 {
			b = append(b, '|')
		}
		text, err := p.text(v)
		if err != nil {
			return err
		}
		b = append(b, text...)
	}
	_, err := p.w.Write(append(b, '\n'))
	return err
}

func (p *printer) text(v driver.Value) ([]byte, error) {
	switch v := v.(type) {
	case nil:
		return nil, nil
	case int64:
		return strconv.AppendInt(nil, v, 10), nil
	case float64:
		return p.realText(v)
	case string:
		return []byte(v), nil
	case []byte:
		return v, nil
	}
	return nil, fmt.Errorf("a value of type %T", v)
}

func (p *printer) realText(f float64) ([]byte, error) {
	rows, err := p.real.QueryContext(context.Background(), []driver.NamedValue{{Ordinal: 1, Value: f}})
	if err != nil {
		return nil, err
	}
	defer func() { _ = rows.Close() }()
	text := make([]driver.Value, 1)
	if err := rows.Next(text); err != nil {
		return nil, err
	}
	return fmt.Append(nil, text[0]), nil
}
