package sqlitevfs

import (
	"database/sql"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

// A folder that is mounted in two places: connections by either path share one engine, and with it
// the gate that completion needs.
func TestOneEngineForTwoMounts(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("a bind mount needs root")
	}
	p := newPair(t, build{pragmas: []string{`PRAGMA journal_mode=WAL`}, rows: 3000}, nil)
	there := tempDir(t)
	if err := syscall.Mount(filepath.Dir(p.path), there, "", syscall.MS_BIND, ""); err != nil {
		t.Skip(err)
	}
	defer syscall.Unmount(there, syscall.MNT_DETACH)
	other := openDSN(t, DSN(filepath.Join(there, "app.db"), "", nil))
	for _, db := range []*sql.DB{other, p.want} {
		run(t, db, `INSERT INTO log(what) VALUES ('there')`)
	}
	p.runOnBoth(`INSERT INTO log(what) VALUES ('here')`)
	if n := openStates(t); n != 1 {
		t.Errorf("%d engines have it open", n)
	}
	waitComplete(t, other)
	same(t, p.db, p.want)
	same(t, other, p.want)
	closeDB(t, p.db)
	closeDB(t, other)
	wantGone(t, p.path)
	p.db = openPlain(t, p.path)
	same(t, p.db, p.want)
}

// What was put in place of a clone that this process has open is not taken for it.
func TestReplacedUnderAnOpenClone(t *testing.T) {
	p := newPair(t, build{rows: 500}, nil)
	if err := os.Remove(p.path); err != nil {
		t.Fatal(err)
	}
	copyFile(t, strings.TrimPrefix(p.address, "fake:"), p.path)
	db, err := Open(p.path, "", nil)
	if err == nil {
		err = db.Ping()
		db.Close()
	}
	if err == nil || !strings.Contains(err.Error(), "replaced") {
		t.Errorf("%v", err)
	}
	same(t, p.db, p.want) // who has it open goes on with the old one
}

// openStates is how many descriptors this process has on state files of that name.
func openStates(t *testing.T) (n int) {
	t.Helper()
	fds, err := filepath.Glob("/proc/self/fd/*")
	if err != nil {
		t.Fatal(err)
	}
	for _, fd := range fds {
		if to, err := os.Readlink(fd); err == nil && strings.Contains(to, t.Name()) && strings.HasSuffix(to, "app.db-hydrant") {
			n++
		}
	}
	return n
}
