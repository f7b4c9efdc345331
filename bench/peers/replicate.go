//go:build vfs

package main

import (
	"context"
	"database/sql"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"

	"github.com/benbjohnson/litestream"
	"github.com/benbjohnson/litestream/file"
	_ "github.com/mattn/go-sqlite3"
)

// What a replica looks like after some minutes of use: a snapshot, some compacted files, and some
// that are not yet.
const (
	compacted    = 3  // files of level 1
	perCompacted = 4  // transactions in each
	fresh        = 12 // files of level 0
)

// replicate makes two replicas of a database in dir: best, a single snapshot, and full, the same
// with some transactions after it.
func replicate(ctx context.Context, path, dir string) error {
	client := file.NewReplicaClient(filepath.Join(dir, "full"))
	db := litestream.NewDB(path)
	db.MonitorInterval = 0
	db.Replica = litestream.NewReplicaWithClient(db, client)
	db.Replica.MonitorEnabled = false
	client.Replica = db.Replica
	if err := db.Open(); err != nil {
		return err
	}
	own, err := sql.Open("sqlite3", "file:"+path+"?_journal_mode=WAL&_busy_timeout=10000")
	if err != nil {
		return err
	}
	defer own.Close()
	if _, err := own.Exec("CREATE TABLE IF NOT EXISTS peers_probe(n INTEGER PRIMARY KEY)"); err != nil {
		return err
	}
	push := func() error {
		if err := db.Sync(ctx); err != nil {
			return err
		}
		return db.Replica.Sync(ctx)
	}
	if err := push(); err != nil {
		return err
	}
	if _, err := db.Snapshot(ctx); err != nil {
		return err
	}
	// What came before the snapshot is in it.
	if err := os.RemoveAll(filepath.Join(dir, "full", "ltx", "0")); err != nil {
		return err
	}
	if err := copyTree(filepath.Join(dir, "best"), filepath.Join(dir, "full")); err != nil {
		return err
	}
	change := func() error {
		if _, err := own.Exec("INSERT INTO peers_probe DEFAULT VALUES"); err != nil {
			return err
		}
		return push()
	}
	for range compacted {
		for range perCompacted {
			if err := change(); err != nil {
				return err
			}
		}
		if _, err := db.Compact(ctx, 1); err != nil {
			return err
		}
	}
	if err := os.RemoveAll(filepath.Join(dir, "full", "ltx", "0")); err != nil {
		return err
	}
	for range fresh {
		if err := change(); err != nil {
			return err
		}
	}
	if err := db.Close(ctx); err != nil {
		return err
	}
	for _, name := range []string{"best", "full"} {
		if err := asKeys(filepath.Join(dir, name)); err != nil {
			return err
		}
	}
	return nil
}

// asKeys gives the files of a replica the names that they have as objects: level in four digits.
func asKeys(dir string) error {
	levels, err := os.ReadDir(filepath.Join(dir, "ltx"))
	if err != nil {
		return err
	}
	for _, l := range levels {
		n, err := strconv.Atoi(l.Name())
		if err != nil {
			return err
		}
		if err := os.Rename(filepath.Join(dir, "ltx", l.Name()), filepath.Join(dir, fmt.Sprintf("%04x", n))); err != nil {
			return err
		}
	}
	return os.Remove(filepath.Join(dir, "ltx"))
}

// copyTree links the files of a folder into another.
func copyTree(to, from string) error {
	return filepath.WalkDir(from, func(path string, e fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(from, path)
		if err != nil {
			return err
		}
		if e.IsDir() {
			return os.MkdirAll(filepath.Join(to, rel), 0o755)
		}
		return os.Link(path, filepath.Join(to, rel))
	})
}
