package sqlitevfs

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/mattn/go-sqlite3"

	"hydrant/clone"
	"hydrant/sqlitevfs/shim"
)

// Quiesce returns what clone.Options.Quiesce is for the clone at path, for whoever opens it as a
// blob: it runs publish while SQLite's own locks keep everybody else out. What is no database, or
// one that is damaged beyond beginning one, has no transactions.
func Quiesce(path string) func(context.Context, func() error) error {
	return func(ctx context.Context, publish func() error) (err error) {
		db, err := Open(path, "", &Params{More: map[string]string{"_busy_timeout": "0"}})
		if err == nil {
			db.SetMaxOpenConns(1)
			defer func() { err = errors.Join(err, db.Close()) }()
			err = shutOut(ctx, db, path)
		}
		switch {
		case isSQLite(err, sqlite3.ErrNotADB), isSQLite(err, sqlite3.ErrCorrupt):
			return publish()
		case isSQLite(err, sqlite3.ErrBusy), isSQLite(err, sqlite3.ErrLocked), isSQLite(err, sqlite3.ErrProtocol):
			return clone.ErrTransaction
		case err != nil:
			if file, ferr := filepath.EvalSymlinks(path); ferr == nil {
				path = file
			}
			return shim.CannotLock(path, err)
		}
		err = publish()
		_, rollback := db.ExecContext(ctx, "ROLLBACK")
		return errors.Join(err, rollback)
	}
}

// shutOut begins a transaction of our own, so that there is no other that has a journal or frames
// in the WAL, or will have.
func shutOut(ctx context.Context, db *sql.DB, path string) error {
	var mode string
	if err := db.QueryRowContext(ctx, "PRAGMA journal_mode").Scan(&mode); err != nil {
		return err
	}
	if mode != "wal" {
		_, err := db.ExecContext(ctx, "BEGIN EXCLUSIVE")
		return err
	}
	var busy, frames, moved int
	if err := db.QueryRowContext(ctx, "PRAGMA wal_checkpoint(TRUNCATE)").Scan(&busy, &frames, &moved); err != nil {
		return err
	}
	if busy != 0 {
		return clone.ErrTransaction
	}
	if _, err := db.ExecContext(ctx, "BEGIN IMMEDIATE"); err != nil {
		return err
	}
	// Somebody may have written between the two; from here on nobody can.
	file, err := filepath.EvalSymlinks(path)
	if err != nil {
		return err
	}
	info, err := os.Stat(clone.PrivateName(file, "-wal"))
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return fmt.Errorf("look at the WAL: %w", err)
	case info.Size() > 0:
		return clone.ErrTransaction
	}
	return nil
}

func isSQLite(err error, code sqlite3.ErrNo) bool {
	var e sqlite3.Error
	return errors.As(err, &e) && e.Code == code
}
