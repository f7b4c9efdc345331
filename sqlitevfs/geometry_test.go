package sqlitevfs

import (
	"database/sql"
	"encoding/binary"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"hydrant/internal/sqlitefile"
)

// workload changes a bit of everything; it is run on a clone and on its oracle.
var workload = []string{
	`INSERT INTO log(what) VALUES ('begin')`,
	`UPDATE t SET b = b || '?', c = zeroblob(length(c)/2) WHERE id % 50 = 3`,
	`DELETE FROM t WHERE id % 11 = 4`,
	fill(100001, 300),
	`CREATE TABLE more AS SELECT id, b FROM t WHERE id < 100`,
	`DROP INDEX tb`,
	`CREATE INDEX tb2 ON t(b)`,
}

// Page sizes, auto_vacuum, reserved bytes: the region is the page whatever that is.
func TestPageSizes(t *testing.T) {
	for _, size := range []int{512, 1024, 2048, 4096, 8192, 32768, 65536} {
		for _, vacuum := range []string{"NONE", "FULL"} {
			t.Run(fmt.Sprint(size, vacuum), func(t *testing.T) {
				t.Parallel()
				p := newPair(t, build{rows: 600, pragmas: []string{
					fmt.Sprintf(`PRAGMA page_size=%d`, size), `PRAGMA auto_vacuum=` + vacuum,
				}}, nil)
				if got := get[string](t, p.db, `SELECT json_extract(hydrant_status(), '$.region_size')`); got != fmt.Sprint(size) {
					t.Errorf("region of %s bytes, want %d", got, size)
				}
				p.runOnBoth(workload...)
				p.runOnBoth(`DELETE FROM t WHERE id > 100000`) // with auto_vacuum the file gets shorter
				same(t, p.db, p.want)
				p.finish(t)
			})
		}
	}
}

// A region that is not the page: smaller and larger.
func TestRegionSizes(t *testing.T) {
	for _, size := range []int64{512, 16384, 1 << 20} {
		t.Run(fmt.Sprint(size), func(t *testing.T) {
			t.Parallel()
			p := newPair(t, build{rows: 2000}, &Params{RegionSize: size})
			p.runOnBoth(workload...)
			same(t, p.db, p.want)
			p.finish(t)
		})
	}
}

// VACUUM reads all of it and writes all of it back, to another page size, too.
func TestVacuum(t *testing.T) {
	for _, to := range []int{4096, 512, 65536} {
		t.Run(fmt.Sprint(to), func(t *testing.T) {
			t.Parallel()
			p := newPair(t, build{rows: 2000, after: []string{`DELETE FROM t WHERE id % 3 = 0`}}, nil)
			p.runOnBoth(`UPDATE t SET b = 'x' WHERE id < 50`, fmt.Sprintf(`PRAGMA page_size=%d`, to), `VACUUM`)
			if got := get[int](t, p.db, `PRAGMA page_size`); got != to {
				t.Errorf("page size is %d, want %d", got, to)
			}
			p.runOnBoth(workload...)
			same(t, p.db, p.want)
			p.finish(t)
		})
	}
}

// VACUUM INTO comes through the same VFS, and its result is nobody's clone.
func TestVacuumInto(t *testing.T) {
	p := newPair(t, build{rows: 500}, nil)
	copied := filepath.Join(filepath.Dir(p.path), "into.db")
	run(t, p.db, `VACUUM INTO '`+copied+`'`)
	if fileExists(t, copied+"-hydrant") {
		t.Error("it is a clone")
	}
	same(t, openPlain(t, copied), p.want)
}

// A database of more than 1 GiB has a page that is never used, since SQLite's locks lie in it. This
// one ends just before, as far as its header tells, and is nearly all hole; then it grows.
func TestLockPage(t *testing.T) {
	const pageSize, pages = 65536, sqlitefile.LockByte/65536 - 3
	dir := tempDir(t)
	src, oracle := filepath.Join(dir, "src.db"), filepath.Join(dir, "oracle.db")
	for _, path := range []string{src, oracle} {
		makeSource(t, path, build{rows: 300, pragmas: []string{`PRAGMA page_size=65536`}})
		stretch(t, path, pageSize, pages)
	}
	path := filepath.Join(dir, "app.db")
	db, want := openDSN(t, DSN(path, src, &Params{NoHydrate: true})), openPlain(t, oracle)
	for _, db := range []*sql.DB{db, want} {
		if got := get[int](t, db, `PRAGMA page_count`); got != pages {
			t.Fatalf("%d pages", got)
		}
		run(t, db, fill(1001, 2000), `UPDATE t SET c = zeroblob(70000) WHERE id % 20 = 0`)
	}
	if got := get[int](t, db, `PRAGMA page_count`); got <= pages+3 {
		t.Fatalf("%d pages: it did not grow", got)
	}
	if dump(t, db) != dump(t, want) {
		t.Error("content differs")
	}
	closeDB(t, db)
	db = openDSN(t, DSN(path, "", nil)) // and on from there, at full speed
	run(t, db, `UPDATE t SET b = 'x' WHERE id > 1500`, `VACUUM`)
	run(t, want, `UPDATE t SET b = 'x' WHERE id > 1500`, `VACUUM`)
	same(t, db, want)
}

// stretch makes a database at path one of so many pages, most of which are holes that nothing
// refers to.
func stretch(t *testing.T, path string, pageSize, pages int64) {
	t.Helper()
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.WriteAt(binary.BigEndian.AppendUint32(nil, uint32(pages)), 28); err != nil {
		t.Fatal(err)
	}
	if err := f.Truncate(pages * pageSize); err != nil {
		t.Fatal(err)
	}
}
