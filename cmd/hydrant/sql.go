package main

import (
	"bufio"
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"

	"github.com/mattn/go-sqlite3"
	"github.com/spf13/cobra"

	"hydrant/clone"
	"hydrant/sqlitevfs"
)

func newSQL(t *terminal) *cobra.Command {
	var source string
	c := &cobra.Command{
		Use:   "sql DEST [SQL]",
		Short: "Run SQL on a clone, or on any database",
		Long: `Run SQL, or without it what comes on standard input, on the database DEST: a clone, complete
or not, or an ordinary file. Rows are printed as the sqlite3 shell prints them: columns with
| between them, NULL as nothing, blobs as they are. The first error ends it. Dot-commands
are the shell's and not to be had here.`,
		Example: `  hydrant sql app.db "SELECT city, count(*) FROM customers GROUP BY 1"
  hydrant sql app.db < changes.sql
  hydrant sql --source s3://shop/app.db app.db "SELECT max(id) FROM orders"`,
		Args: between(1, "DEST", "SQL"),
		RunE: func(c *cobra.Command, args []string) error {
			in := t.in
			if len(args) == 2 {
				in = strings.NewReader(args[1])
			}
			return runSQL(c.Context(), t, args[0], source, in)
		},
	}
	c.Flags().StringVar(&source, "source", "", "clone this first, when there is no DEST")
	return c
}

func runSQL(ctx context.Context, t *terminal, path, source string, in io.Reader) (err error) {
	ctx, done := signal.NotifyContext(ctx, os.Interrupt)
	defer done()
	if source == "" {
		if _, err := inspect(path); err != nil {
			return err
		}
	}
	db, err := openSQL(path, source)
	if err != nil {
		if isSQLite(err, sqlite3.ErrReadonly) {
			if why := whyReadOnly(ctx, path); why != nil {
				return fmt.Errorf("%w: %w", inWords(err), why)
			}
		}
		return fmt.Errorf("%s: %w", path, inWords(err))
	}
	defer func() {
		if cerr := db.Close(); err == nil {
			err = cerr
		}
	}()
	conn, err := db.Conn(ctx)
	if err != nil {
		return err
	}
	defer func() { _ = conn.Close() }()
	return conn.Raw(func(raw any) error {
		c, ok := raw.(sqlConn)
		if !ok {
			return fmt.Errorf("driver %T cannot be asked directly", raw)
		}
		p, err := newPrinter(t.out, c)
		if err != nil {
			return err
		}
		s := session{conn: c, out: p}
		err = s.script(ctx, in)
		if cerr := p.Close(); err == nil {
			err = cerr
		}
		return err
	})
}

// whyReadOnly says why the clone at path cannot be written to, nil when it can or is none: a journal
// that has to be played back is found before there is a connection to ask.
func whyReadOnly(ctx context.Context, path string) error {
	c, err := attach(ctx, path, clone.Options{NoBackground: true})
	if err != nil {
		return nil
	}
	why := c.Writable()
	if c.Close() != nil || !errors.Is(why, clone.ErrAccess) {
		return nil
	}
	return why
}

func openSQL(path, source string) (*sql.DB, error) {
	db, err := sqlitevfs.Open(path, source, nil)
	if err != nil {
		return nil, err
	}
	db.SetMaxOpenConns(1)
	return db, nil
}

// sqlConn is what the driver's connection can do beside what database/sql needs of it.
type sqlConn interface {
	driver.Conn
	driver.QueryerContext
}

// session runs a script on one connection, so that transactions span statements.
type session struct {
	conn sqlConn
	out  *printer
}

// script runs the statements of in as they come, until the first error.
func (s *session) script(ctx context.Context, in io.Reader) error {
	var split splitter
	lines := bufio.NewReaderSize(in, 64<<10)
	for {
		line, err := lines.ReadString('\n')
		if !split.pending() && strings.HasPrefix(line, ".") {
			return fmt.Errorf("%s: dot-commands are the sqlite3 shell's; ask in SQL, like SELECT name FROM sqlite_schema",
				strings.Fields(line)[0])
		}
		for i := range len(line) {
			statement, complete := split.feed(line[i])
			if !complete {
				continue
			}
			if err := s.statement(ctx, statement); err != nil {
				return err
			}
		}
		if errors.Is(err, io.EOF) {
			return s.statement(ctx, split.rest())
		}
		if err != nil {
			return fmt.Errorf("read: %w", err)
		}
	}
}

func (s *session) statement(ctx context.Context, statement string) error {
	if statement == "" {
		return nil
	}
	rows, err := s.conn.QueryContext(ctx, statement, nil)
	if err != nil {
		return s.explain(ctx, err)
	}
	defer func() { _ = rows.Close() }()
	asStored(rows)
	values := make([]driver.Value, len(rows.Columns()))
	for {
		switch err := rows.Next(values); {
		case errors.Is(err, io.EOF):
			return s.out.w.Flush()
		case err != nil:
			_ = s.out.w.Flush()
			return s.explain(ctx, err)
		}
		if err := s.out.row(values); err != nil {
			return err
		}
	}
}

// asStored keeps the driver from making times and booleans of columns that are declared so: what
// it goes by are the declared types, and they are forgotten here.
func asStored(rows driver.Rows) {
	if d, ok := rows.(interface{ DeclTypes() []string }); ok {
		clear(d.DeclTypes())
	}
}

// explain adds to an error of I/O, or of writing to what may not be written, what the clone knows
// about it: SQLite has no words for that.
func (s *session) explain(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return errors.New("interrupted")
	}
	if !isSQLite(err, sqlite3.ErrIoErr) && !isSQLite(err, sqlite3.ErrReadonly) {
		return inWords(err)
	}
	rows, qerr := s.conn.QueryContext(ctx, "SELECT hydrant_last_error()", nil)
	if qerr != nil {
		return inWords(err)
	}
	defer func() { _ = rows.Close() }()
	value := make([]driver.Value, 1)
	if rows.Next(value) != nil || value[0] == nil || value[0] == "" {
		return inWords(err)
	}
	return fmt.Errorf("%w: %s", inWords(err), strings.TrimPrefix(fmt.Sprint(value[0]), "hydrant: "))
}

// inWords takes from an error of the driver what it says of the system's last error, which is
// mostly somebody else's, and of how the reason came to it.
func inWords(err error) error {
	var e sqlite3.Error
	if !errors.As(err, &e) {
		return err
	}
	text := err.Error()
	if e.SystemErrno != 0 {
		text = strings.TrimSuffix(text, ": "+e.SystemErrno.Error())
	}
	text = strings.TrimPrefix(text, "automatic extension loading failed: ")
	return errors.New(strings.TrimPrefix(text, "hydrant: "))
}

func isSQLite(err error, code sqlite3.ErrNo) bool {
	var e sqlite3.Error
	return errors.As(err, &e) && e.Code == code
}
