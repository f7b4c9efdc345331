//go:build e2e && linux

package e2e

import (
	"context"
	"database/sql"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"hydrant/sqlitevfs"
	"hydrant/torture"
)

// onlooker runs the command as somebody who may not write.
type onlooker struct {
	t   *testing.T
	bin string
	cmd func(name string, args ...string) *exec.Cmd
}

func (o *onlooker) run(args ...string) (string, error) {
	out, err := o.cmd(o.bin, args...).CombinedOutput()
	return strings.TrimSpace(string(out)), err
}

func (o *onlooker) says(want string, args ...string) {
	o.t.Helper()
	if got, err := o.run(args...); err != nil || !strings.Contains(got, want) {
		o.t.Fatalf("hydrant %s: %v, it says %q, want %q", strings.Join(args, " "), err, got, want)
	}
}

func (o *onlooker) fails(want string, args ...string) {
	o.t.Helper()
	if got, err := o.run(args...); err == nil || !strings.Contains(got, want) {
		o.t.Fatalf("hydrant %s: %v, it says %q, want an error with %q", strings.Join(args, " "), err, got, want)
	}
}

// readable is a folder that everybody may read, with the command in it.
func readable(t *testing.T) (dir, bin string) {
	t.Helper()
	if os.Getuid() != 0 {
		t.Skip("needs root")
	}
	dir, err := os.MkdirTemp("/tmp", "hydrant-readonly-")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	if err := os.Chmod(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	bin = filepath.Join(dir, "hydrant")
	if err := os.WriteFile(bin, readFile(t, filepath.Join("..", ".build", "hydrant")), 0o755); err != nil {
		t.Fatal(err)
	}
	return dir, bin
}

// Somebody without permission to write, and somebody with a read-only mount, read what a live writer
// has written and what it has not fetched, change nothing, and are told so.
func TestReadOnly(t *testing.T) {
	for _, mode := range []string{"delete", "wal"} {
		for _, place := range []string{"user", "mount"} {
			t.Run(mode+" "+place, func(t *testing.T) { readOnly(t, mode, place) })
		}
	}
}

func readOnly(t *testing.T, mode, place string) {
	dir, bin := readable(t)
	const nobody = 65534
	o := &onlooker{t: t, bin: bin, cmd: func(name string, args ...string) *exec.Cmd {
		cmd := exec.Command(name, args...)
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: nobody}}
		return cmd
	}}
	home := filepath.Join(dir, "home")
	if err := os.Mkdir(home, 0o755); err != nil {
		t.Fatal(err)
	}
	seen := home
	if place == "mount" {
		seen = filepath.Join(dir, "mount")
		if err := os.Mkdir(seen, 0o755); err != nil {
			t.Fatal(err)
		}
		if out, err := exec.Command("sh", "-c", "mount --bind "+home+" "+seen+" && mount -o remount,bind,ro "+seen).CombinedOutput(); err != nil {
			t.Skipf("no bind mounts here: %s", out)
		}
		t.Cleanup(func() { exec.Command("umount", "-l", seen).Run() })
		o.cmd = exec.Command
	}
	source := filepath.Join(dir, "source.db")
	make, err := sql.Open("sqlite3", source)
	if err != nil {
		t.Fatal(err)
	}
	execAll(t, make, "CREATE TABLE t(a INTEGER PRIMARY KEY, b)",
		"WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM n WHERE i<4000) INSERT INTO t SELECT i, hex(randomblob(200)) FROM n")
	if err := make.Close(); err != nil {
		t.Fatal(err)
	}
	path, at := filepath.Join(home, "app.db"), filepath.Join(seen, "app.db")
	db, err := sqlitevfs.Open(path, source, &sqlitevfs.Params{NoHydrate: true})
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	db.SetMaxOpenConns(1)
	execAll(t, db, "PRAGMA journal_mode="+mode, "INSERT INTO t VALUES(5000,'new')", "UPDATE t SET b='changed' WHERE a=7")
	const sums = "SELECT count(*), sum(a), (SELECT b FROM t WHERE a=7), (SELECT b FROM t WHERE a=5000) FROM t"
	look := func(want string) {
		t.Helper()
		o.says(want, "sql", at, sums)
		o.says("ok", "sql", at, "PRAGMA integrity_check")
	}
	look("4001|8007000|changed|new")
	before := readFile(t, path)
	o.says("0 differing", "verify", at)
	o.says("written", "status", at)
	o.fails("readonly", "sql", at, "INSERT INTO t VALUES(6000,'no')")
	for _, args := range [][]string{{"tune", at, "hydration=off"}, {"hydrate", at}, {"detach", at}} {
		o.fails("no permission to write", args...)
	}
	if string(readFile(t, path)) != string(before) {
		t.Fatal("dest was changed")
	}
	for i := range 20 {
		execAll(t, db, fmt.Sprintf("INSERT INTO t VALUES(%d,'more')", 10000+i))
		o.says(fmt.Sprint(4002+i), "sql", at, "SELECT count(*) FROM t")
	}
	const last = "4021|8207190|changed|new"
	look(last)
	if mode == "wal" {
		execAll(t, db, "PRAGMA wal_checkpoint(TRUNCATE)", "PRAGMA journal_mode=delete")
		look(last)
	}
	if err := db.Close(); err != nil {
		t.Fatal(err)
	}
	look(last)

	// Complete, and an ordinary file from then on.
	hydrant(t, "hydrate", path)
	look(last)
}

// Somebody who may not write reads beside those who may, while they are killed, one after the other and
// all at once, while nobody is there, while one comes by another mount, to whom what was never synced
// does not count, and while the clone is completed and detached: every state he sees was committed.
func TestReadersAmongWriters(t *testing.T) {
	for _, mode := range []string{"DELETE", "WAL"} {
		t.Run(mode, func(t *testing.T) {
			dir, bin, self := publicDir(t)
			app := filepath.Join(dir, "app")
			db := filepath.Join(app, "app.db")
			c := newCrew(t, 12000)
			mounts, moved := false, 0 // guarded as the crew is
			c.excuse = func(e torture.Event) bool {
				switch e.Code & 0xff {
				case 8: // a hot journal, or a WAL without anybody who may recover it: as with any database
					return strings.Contains(e.Text, "readonly")
				case 10: // it is to be opened again
					moved++
					return mounts
				}
				return false
			}
			source := filepath.Join(dir, "source.db")
			copyFile(t, source, c.source)
			runScript(t, `mkdir "$1"; chown `+alice+` "$1"; chmod 755 "$1"; chmod 644 "$2"`, app, source)
			do := func(args ...string) {
				t.Helper()
				full := append(append(asUser(alice), bin), args...)
				output(t, full[0], full[1:]...)
			}
			do("clone", "--no-hydrate", source, db)
			do("sql", db, "PRAGMA journal_mode="+mode)
			dsn := sqlitevfs.DSN(db, "", &sqlitevfs.Params{Bandwidth: 200 << 10, More: map[string]string{"_busy_timeout": "10000"}})
			as := func(uid string) []string {
				return append(asUser(uid), "bash", "-euc", `self=$1; shift 2; exec "$self" "$@"`, "bash", self)
			}
			elsewhere := append([]string{"unshare", "-m", "bash", "-euc", `mount --bind "$1" "$1"; shift; exec "$@"`, "bash", app}, as(alice)...)
			writer := func(owner int, wrap []string) *torture.Process {
				return c.join(torture.RoleWriter, owner, dsn, wrap, "PRAGMA synchronous=EXTRA")
			}
			first, second := writer(0, as(alice)), writer(1, as(alice))
			readOnly := sqlitevfs.DSN(db, "", &sqlitevfs.Params{More: map[string]string{"_busy_timeout": "10000"}})
			c.join(torture.RoleReader, 0, readOnly, as(bob))
			c.join(torture.RoleReader, 1, readOnly, as(bob))
			c.more(10, 0, 1)
			c.sees(20)
			first.Kill()
			c.more(5, 1)
			c.sees(5)
			second.Kill()
			if mode == "WAL" {
				c.sees(5) // nobody is there who may write
			}
			c.mu.Lock()
			mounts = true
			c.mu.Unlock()
			for range 3 {
				first = writer(0, elsewhere)
				c.more(5, 0)
				second = writer(1, as(alice))
				c.more(5, 1)
				c.sees(5)
				first.Kill()
				second.Kill()
			}
			writer(0, as(alice))
			writer(1, as(alice))
			c.more(5, 0, 1)
			tune := append(asUser(alice), bin, "tune", db, "bandwidth=0")
			if out, err := exec.Command(tune[0], tune[1:]...).CombinedOutput(); err != nil && !strings.Contains(string(out), "ordinary file") {
				t.Fatalf("tune: %s", out) // a VACUUM may have had all of it here
			}
			completed(t, db)
			c.more(5, 0, 1)
			c.sees(10)
			c.leave()
			t.Logf("%d readings, %d times told to open it again", c.seen, moved)
			if got := output(t, "find", app, "-user", bob); got != "" {
				t.Errorf("made by who may not: %s", got)
			}
			c.check(torture.RoleCheck, sqlitevfs.DSN(db, "", &sqlitevfs.Params{VFS: "unix"}))
			nothingLeft(t, db)
		})
	}
}

// A file with a guard whose state file is gone is no ordinary file for those either who may only read it.
func TestOrphanThatMayNotBeWritten(t *testing.T) {
	dir, bin, _ := publicDir(t)
	s := newSituationIn(t, dir, moments[0].do)
	runScript(t, `cd "$1"; mv app.db-hydrant kept; chmod 755 .; chmod 644 *`, s.dir)
	a := &asked{t, s, bin, alice}
	a.does(func() {
		a.refused([][]string{{"status", s.db}, {"sql", s.db, "SELECT count(*) FROM t"}, {"verify", s.db}, {"recover", s.db}, {"adopt", s.db}}, "app.db-hydrant", "put that back")
	})
	runScript(t, `cd "$1"; mv kept app.db-hydrant`, s.dir)
	s.goesOn(t)
}

func execAll(t *testing.T, db *sql.DB, statements ...string) {
	t.Helper()
	for _, s := range statements {
		if _, err := db.ExecContext(context.Background(), s); err != nil {
			t.Fatalf("%s: %v", s, err)
		}
	}
}
