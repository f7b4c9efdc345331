package sqlitevfs

import (
	"fmt"
	"path/filepath"
	"testing"

	"hydrant/sqlitevfs/internal/sqlapi"
)

// half is the child that dies in the COMMIT of a transaction over two databases, when it has
// written half of what belongs into the one at victim.
func half(main, aux, victim string) {
	registerTest()
	check(interceptWrites())
	c, err := sqlapi.Open(DSN(main, "", &Params{NoHydrate: true}))
	check(err)
	// What is changed for the second time is written by SQLite itself.
	update := func(to string) {
		for _, schema := range []string{"main", "aux"} {
			check(c.Exec(fmt.Sprintf(`UPDATE %s.t SET b = '%s', a = id WHERE id < 2000`, schema, to)))
		}
	}
	check(c.Exec(`ATTACH '` + DSN(aux, "", &Params{NoHydrate: true}) + `' AS aux; PRAGMA main.journal_mode=DELETE; PRAGMA aux.journal_mode=DELETE; BEGIN`))
	update("first")
	check(c.Exec(`COMMIT; BEGIN`))
	update("second")
	_, err = sqlapi.FailWrites(victim, 5, false, 0)
	check(err)
	check(c.Exec(`COMMIT`))
	check(fmt.Errorf("it has survived"))
}

// A transaction over a clone and a plain database that a crash cuts short is rolled back in both,
// also when a stranger opens the plain one first: it finds the journal of the clone, and leaves
// the record that ties the two together to whoever opens that.
func TestStrangerRollsBackTheOtherHalf(t *testing.T) {
	for _, order := range []string{"plain main", "clone main"} {
		for _, first := range []string{"stranger", "hydrant"} {
			t.Run(order+" "+first, func(t *testing.T) {
				t.Parallel()
				dir := tempDir(t)
				in := func(name string) string { return filepath.Join(dir, name) }
				src, cl, plain, oracle := in("src.db"), in("app.db"), in("plain.db"), in("oracle.db")
				// More than is read ahead: it must not be complete before its time.
				makeSource(t, src, build{rows: 4000, after: []string{`CREATE TABLE far AS SELECT zeroblob(12000000)`}})
				copyFile(t, src, plain)
				copyFile(t, src, oracle)
				closeDB(t, openDSN(t, DSN(cl, src, &Params{NoHydrate: true})))
				main, aux := plain, cl
				if order == "clone main" {
					main, aux = cl, plain
				}
				runChild(t, "half", main, aux, aux)
				super, _ := filepath.Glob(main + "-mj*")
				if len(super) != 1 || !fileExists(t, cl+"-hydrant-journal") {
					t.Fatalf("nothing to roll back: %v", super)
				}
				want := openPlain(t, oracle)
				run(t, want, `UPDATE t SET b = 'first', a = id WHERE id < 2000`)
				vfs := ""
				if first == "stranger" {
					vfs = "unix"
				}
				same(t, openDSN(t, DSN(plain, "", &Params{VFS: vfs})), want)
				same(t, openDSN(t, DSN(cl, "", &Params{NoHydrate: true})), want)
				if left, _ := filepath.Glob(main + "-mj*"); len(left) > 0 {
					t.Errorf("%v outlived its last child", left)
				}
			})
		}
	}
}
