package sqlitevfs

import (
	"database/sql"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// A transaction over a clone and a plain database, which one is main and which is attached both
// ways, committed and rolled back.
func TestAttach(t *testing.T) {
	for _, mode := range []string{"DELETE", "WAL"} {
		t.Run(mode, func(t *testing.T) {
			t.Parallel()
			dir := tempDir(t)
			src, cl, plain := filepath.Join(dir, "src.db"), filepath.Join(dir, "app.db"), filepath.Join(dir, "plain.db")
			makeSource(t, src, build{rows: 500})
			makeSource(t, plain, build{rows: 10})
			for round, main := range []string{cl, plain} {
				db := openDSN(t, DSN(main, "", &Params{NoHydrate: true, More: map[string]string{"source": src}}))
				other := DSN(plain, "", nil)
				if main == plain {
					other = DSN(cl, "", nil)
				}
				run(t, db, `ATTACH '`+other+`' AS aux`,
					`PRAGMA main.journal_mode=`+mode, `PRAGMA aux.journal_mode=`+mode,
					`BEGIN`, `INSERT INTO main.log(what) VALUES ('both')`, `INSERT INTO aux.log(what) VALUES ('both')`, `COMMIT`,
					`BEGIN`, `INSERT INTO main.log(what) VALUES ('no')`, `INSERT INTO aux.log(what) VALUES ('no')`, `ROLLBACK`)
				for _, schema := range []string{"main", "aux"} {
					got := get[string](t, db, `SELECT group_concat(what) FROM `+schema+`.log`)
					if want := strings.TrimSuffix(strings.Repeat("both,", round+1), ","); got != want {
						t.Errorf("%s: %s, want %s", schema, got, want)
					}
				}
				// Each schema is asked for itself.
				cloneSchema, plainSchema := "main", "aux"
				if main == plain {
					cloneSchema, plainSchema = "aux", "main"
				}
				for _, q := range []string{`PRAGMA %s.hydrant_status`, `SELECT hydrant_status('%s')`} {
					if got := get[string](t, db, fmt.Sprintf(q, cloneSchema)); !strings.Contains(got, `"state":"paused"`) {
						t.Errorf("clone: %s", got)
					}
					if got := get[string](t, db, fmt.Sprintf(q, plainSchema)); !strings.Contains(got, `"state":"detached"`) {
						t.Errorf("plain: %s", got)
					}
				}
				closeDB(t, db)
			}
		})
	}
}

// cross is the child that dies in a transaction over two clones, at the moment when its
// super-journal names both journals and both databases have been written to.
func cross(a, b string) {
	registerTest()
	db, err := sql.Open("sqlite3", DSN(a, "", nil))
	check(err)
	db.SetMaxOpenConns(1)
	for _, s := range []string{
		`ATTACH '` + DSN(b, "", nil) + `' AS aux`, `PRAGMA main.journal_mode=DELETE`, `PRAGMA aux.journal_mode=DELETE`,
		`PRAGMA main.cache_size=5`, `PRAGMA aux.cache_size=5`,
		`BEGIN`, `UPDATE main.t SET b = 'half' WHERE id < 1000`, `UPDATE aux.t SET b = 'half' WHERE id < 1000`,
	} {
		_, err := db.Exec(s)
		check(err)
	}
	kill()
}

// A super-journal names its children by their public names; whoever plays back the one has to see
// the other by its private name, though that is not open.
func TestSuperJournalChild(t *testing.T) {
	dir := tempDir(t)
	src, a, b := filepath.Join(dir, "src.db"), filepath.Join(dir, "a.db"), filepath.Join(dir, "b.db")
	makeSource(t, src, build{rows: 4000})
	for _, path := range []string{a, b} {
		closeDB(t, openDSN(t, DSN(path, src, &Params{NoHydrate: true})))
	}
	runChild(t, "cross", a, b)
	// Put a super-journal there as COMMIT would have left it, had the machine died before it was
	// deleted, and have both journals name it.
	super := a + "-mj0123AB9CD"
	if err := os.WriteFile(super, []byte(a+"-journal\x00"+b+"-journal\x00"), 0o644); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{a, b} {
		if !fileExists(t, path+"-hydrant") {
			t.Fatal(path, "is no clone any more")
		}
		nameSuper(t, path+"-hydrant-journal", super)
	}
	want := openPlain(t, src)
	db := openDSN(t, DSN(a, "", nil))
	same(t, db, want)
	if !fileExists(t, super) {
		t.Fatal("the super-journal is gone, with a child that is hot")
	}
	db2 := openDSN(t, DSN(b, "", nil))
	same(t, db2, want)
	if fileExists(t, super) {
		t.Error("the super-journal outlived its last child")
	}
}

// nameSuper appends the record of a super-journal to a journal
// (https://www.sqlite.org/fileformat2.html#the_rollback_journal has nothing on it; pager.c does):
// lock page number, name, length, checksum, magic.
func nameSuper(t *testing.T, journal, super string) {
	t.Helper()
	f, err := os.OpenFile(journal, os.O_WRONLY|os.O_APPEND, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	const pageSize = 4096
	be32 := func(v uint32) []byte { return []byte{byte(v >> 24), byte(v >> 16), byte(v >> 8), byte(v)} }
	var sum uint32
	for _, c := range []byte(super) {
		sum += uint32(int8(c))
	}
	rec := be32(1<<30/pageSize + 1)
	rec = append(rec, super...)
	rec = append(rec, be32(uint32(len(super)))...)
	rec = append(rec, be32(sum)...)
	rec = append(rec, 0xd9, 0xd5, 0x05, 0xf9, 0x20, 0xa1, 0x63, 0xd7)
	if _, err := f.Write(rec); err != nil {
		t.Fatal(err)
	}
}
