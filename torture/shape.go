package torture

import (
	"context"
	"database/sql"
	"fmt"
	"math/rand/v2"
	"os"

	"hydrant/internal/shopdb"
)

// Owners is how many writers there may be. A row belongs to one of them.
const Owners = 4

// Shape is what a database is made of, and all that transactions depend on. Equal shapes make equal
// databases and equal transactions.
type Shape struct {
	Seed       uint64
	PageSize   int    // bytes, a power of two from 512 to 65536
	AutoVacuum string // NONE, FULL or INCREMENTAL
	WAL        bool   // the source is in WAL mode
	Groups     int    // rows in items at the beginning; about 1 KiB each with all indexes
}

// NewShape draws one.
func NewShape(seed uint64) Shape {
	r := random(seed, 'S', 0, 0)
	sizes := []int{512, 1024, 4096, 4096, 4096, 8192, 16384, 65536}
	return Shape{
		Seed:       seed,
		PageSize:   sizes[r.IntN(len(sizes))],
		AutoVacuum: pick(r, "NONE", "NONE", "FULL", "INCREMENTAL"),
		WAL:        r.IntN(3) == 0,
		Groups:     pick(r, 200, 1000, 3000, 8000),
	}
}

// Make makes the database at path, which must not exist, through SQLite's own VFS.
func (s Shape) Make(ctx context.Context, path string) (err error) {
	if _, err := os.Lstat(path); err == nil {
		return fmt.Errorf("%s exists", path)
	}
	db, err := shopdb.OpenPlain(path)
	if err != nil {
		return err
	}
	defer func() {
		if cerr := db.Close(); err == nil {
			err = cerr
		}
	}()
	setup := fmt.Sprintf("PRAGMA page_size=%d; PRAGMA auto_vacuum=%s; PRAGMA synchronous=OFF; PRAGMA journal_mode=MEMORY;",
		s.PageSize, s.AutoVacuum)
	if _, err := db.ExecContext(ctx, setup+schema); err != nil {
		return err
	}
	if err := s.fill(ctx, db); err != nil {
		return err
	}
	if s.WAL {
		_, err = db.ExecContext(ctx, "PRAGMA journal_mode=WAL")
	}
	return err
}

// fill adds the rows that are there before the first transaction.
func (s Shape) fill(ctx context.Context, db *sql.DB) error {
	tx, err := db.BeginTx(ctx, nil)
	if err != nil {
		return err
	}
	defer func() { _ = tx.Rollback() }()
	r := random(s.Seed, 'F', 0, 0)
	for g := range s.Groups {
		if _, err := tx.ExecContext(ctx, insertItem, int64(g)*idStep, g%Owners, r.IntN(kinds), r.IntN(1000), name(r), body(r, s.PageSize)); err != nil {
			return err
		}
	}
	for owner := range Owners {
		for id := range accounts {
			if _, err := tx.ExecContext(ctx, "INSERT INTO accounts VALUES(?,?,?,?)", owner, id, openingBalance, name(r)); err != nil {
				return err
			}
		}
	}
	return tx.Commit()
}

// random is a generator of its own for each thing that is drawn.
func random(seed uint64, what rune, a, b int64) *rand.Rand {
	var key [32]byte
	for i, n := range []uint64{seed, uint64(what), uint64(a), uint64(b)} {
		for j := range 8 {
			key[i*8+j] = byte(n >> (8 * j))
		}
	}
	return rand.New(rand.NewChaCha8(key))
}

func pick[T any](r *rand.Rand, from ...T) T { return from[r.IntN(len(from))] }
