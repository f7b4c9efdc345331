// Package shopdb makes databases that resemble those people have: a shop, with customers and
// their orders, grown row by row, so that tables and indexes lie interleaved in the file as they
// do after years of use. The same Options give the same file.
package shopdb

import (
	"context"
	"database/sql"
	"fmt"
	"net/url"
	"os"

	_ "github.com/mattn/go-sqlite3" // the plain driver: what is made here knows nothing of us
)

// Defaults of Options.
const (
	DefaultSize     = 1 << 20
	DefaultPageSize = 4096
)

// Options say what to make. The zero value is a megabyte of shop.
type Options struct {
	// Size is how large the file is to be, in bytes; it ends up a few pages larger. An empty
	// schema takes seven pages, and that is the least there is. Default 1 MiB.
	Size int64

	// PageSize is SQLite's, a power of two from 512 to 65536 bytes. Default 4096.
	PageSize int

	// Seed chooses the rows. Zero is a seed like any other.
	Seed uint64

	// WAL leaves the database in WAL mode; the log itself is empty and gone.
	WAL bool

	// Progress is told now and then how many bytes of Size there are. nil: nobody is.
	Progress func(done, total int64)
}

func (o *Options) setDefaults() {
	if o.Size == 0 {
		o.Size = DefaultSize
	}
	if o.PageSize == 0 {
		o.PageSize = DefaultPageSize
	}
	if o.Progress == nil {
		o.Progress = func(int64, int64) {}
	}
}

// Create makes the database at path, which must not exist. The file appears under its name when
// it is whole; on an error, or when ctx ends, nothing is left behind.
func Create(ctx context.Context, path string, opts Options) error {
	opts.setDefaults()
	part := path + ".part"
	_ = os.Remove(part)
	if err := create(ctx, part, opts); err != nil {
		_ = os.Remove(part)
		return fmt.Errorf("shopdb: %w", err)
	}
	if err := os.Link(part, path); err != nil { // unlike rename, it replaces nothing
		_ = os.Remove(part)
		return fmt.Errorf("shopdb: %w", err)
	}
	return os.Remove(part)
}

func create(ctx context.Context, path string, opts Options) (err error) {
	db, err := OpenPlain(path)
	if err != nil {
		return err
	}
	defer func() {
		if cerr := db.Close(); err == nil {
			err = cerr
		}
	}()
	// A database that fails to be made is thrown away, so nothing is spent on its safety.
	setup := fmt.Sprintf("PRAGMA page_size=%d; PRAGMA journal_mode=OFF; PRAGMA synchronous=OFF;"+
		"PRAGMA locking_mode=EXCLUSIVE; PRAGMA cache_size=-262144", opts.PageSize)
	if _, err := db.ExecContext(ctx, setup); err != nil {
		return err
	}
	if err := fill(ctx, db, opts); err != nil {
		return err
	}
	if opts.WAL {
		_, err = db.ExecContext(ctx, "PRAGMA journal_mode=WAL")
	}
	return err
}

// OpenPlain opens the database at path through SQLite's own VFS, with one connection.
func OpenPlain(path string) (*sql.DB, error) {
	db, err := sql.Open("sqlite3", (&url.URL{Scheme: "file", Opaque: url.PathEscape(path)}).String())
	if err != nil {
		return nil, err
	}
	db.SetMaxOpenConns(1)
	return db, nil
}
