//go:build e2e && linux

package hosts

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"hydrant/sqlitevfs"
)

// The entry point is found whatever the file is called.
func TestLoadByAnyName(t *testing.T) {
	for _, name := range []string{"hydrant.so", "libhydrant.so.0", "other-name.so", "x"} {
		path := filepath.Join(t.TempDir(), name)
		if err := copyFile(extension(t), path); err != nil {
			t.Fatal(err)
		}
		out, err := exec.Command("sqlite3", ":memory:", ".load "+path, "SELECT hydrant_progress()").CombinedOutput()
		if err != nil || string(out) != "100.0\n" {
			t.Errorf("%s: %v: %s", name, err, out)
		}
	}
	out, err := exec.Command("sqlite3", ":memory:", ".load "+strings.TrimSuffix(extension(t), ".so")+" sqlite3_hydrant_init", "SELECT hydrant_progress()").CombinedOutput()
	if err != nil || string(out) != "100.0\n" {
		t.Errorf("by its own entry point: %v: %s", err, out)
	}
}

func copyFile(from, to string) error {
	b, err := os.ReadFile(from)
	if err != nil {
		return err
	}
	return os.WriteFile(to, b, 0o755)
}

// Nothing of SQLite's and nothing of ours is there for others to find: hosts load extensions with
// RTLD_GLOBAL.
func TestExportsOnlyEntryPoints(t *testing.T) {
	out, err := exec.Command("nm", "-D", "--defined-only", extension(t)).Output()
	if err != nil {
		t.Fatal(err)
	}
	for _, line := range strings.Split(strings.TrimSpace(string(out)), "\n") {
		if !strings.HasSuffix(line, "sqlite3_extension_init") && !strings.HasSuffix(line, "sqlite3_hydrant_init") {
			t.Errorf("exported: %s", line)
		}
	}
	undefined, err := exec.Command("nm", "-D", "--undefined-only", extension(t)).Output()
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(undefined), "sqlite3_") {
		t.Errorf("it wants a SQLite by name:\n%s", undefined)
	}
}

// Loaded twice, from two connections, from many threads at once; a connection that was there before
// has the functions, as those have that come after; closing all that loaded it does no harm.
func TestLoadManyTimes(t *testing.T) {
	out := pythonRun(t, `
import sqlite3, sys, threading
so = sys.argv[1]
def load(db):
    db.enable_load_extension(True)
    db.load_extension(so)
before = sqlite3.connect(":memory:")
first = sqlite3.connect(":memory:")
errors, gate = [], threading.Barrier(16)
def thread():
    try:
        db = sqlite3.connect(":memory:")
        gate.wait()
        for _ in range(3):
            load(db)
            db.execute("SELECT load_extension(?)", [so]).fetchall()
            assert db.execute("SELECT hydrant_progress()").fetchall() == [(100.0,)]
        db.close()
    except Exception as e:
        errors.append(e)
threads = [threading.Thread(target=thread) for _ in range(16)]
for t in threads: t.start()
for t in threads: t.join()
assert not errors, errors
load(first); load(before); load(before)
for db in before, first, sqlite3.connect(":memory:"):
    assert db.execute("SELECT hydrant_progress()").fetchall() == [(100.0,)]
    db.close()
again = sqlite3.connect(":memory:")
assert again.execute("SELECT hydrant_default()").fetchall() == [(0,)]
print("ok")
`, extension(t))
	if out != "ok" {
		t.Error(out)
	}
}

// A SQLite that is too old, and a second one in the process, are refused in words. Both are a table
// of functions that a test made up.
func TestLoadRefusals(t *testing.T) {
	out := pythonRun(t, `
import ctypes, sqlite3, sys
so = sys.argv[1]
lib = ctypes.CDLL(so)
own = ctypes.CDLL("libsqlite3.so.0")
def refused(version):
    number = ctypes.CFUNCTYPE(ctypes.c_int)(lambda: version)
    table = (ctypes.c_void_p * 280)()
    table[67] = ctypes.cast(number, ctypes.c_void_p)
    table[69] = ctypes.cast(own.sqlite3_mprintf, ctypes.c_void_p)
    said = ctypes.c_char_p()
    rc = lib.sqlite3_hydrant_init(None, ctypes.byref(said), table)
    return rc, said.value.decode()
print(refused(3031001))
db = sqlite3.connect(":memory:")
db.enable_load_extension(True)
db.load_extension(so)
print(refused(3045001))
print(db.execute("SELECT hydrant_progress()").fetchone())
`, extension(t))
	want := `(1, 'hydrant: SQLite 3.32 or later is needed')
(1, 'hydrant: another copy of SQLite in this process has loaded it')
(100.0,)`
	if out != want {
		t.Errorf("%s\nwant\n%s", out, want)
	}
}

// Databases that are none of ours are as they were: made, attached, vacuumed into, read by plain
// SQLite, with ours as the default VFS or not.
func TestOtherDatabases(t *testing.T) {
	r := newRig(t, 1<<20)
	for _, makeDefault := range []string{"0", "1"} {
		dir := t.TempDir()
		out := pythonRun(t, `
import sqlite3, sys, os
so, dir, uri, on = sys.argv[1:]
at = lambda name: os.path.join(dir, name)
boot = sqlite3.connect(":memory:")
boot.enable_load_extension(True)
boot.load_extension(so)
assert boot.execute("SELECT hydrant_default(?)", [on]).fetchone() == (int(on),)
db = sqlite3.connect(at("plain.db"), isolation_level=None)
db.execute("PRAGMA journal_mode=WAL")
db.execute("CREATE TABLE t(a)")
db.execute("INSERT INTO t VALUES(1)")
db.execute("ATTACH ? AS other", [at("other.db")])
db.execute("CREATE TABLE other.t AS SELECT a+1 AS a FROM main.t")
db.execute("VACUUM INTO '%s'" % at("into.db"))
assert db.execute("SELECT hydrant_progress('other')").fetchone() == (100.0,)
clone = sqlite3.connect(uri, uri=True, isolation_level=None)
clone.execute("ATTACH ? AS plain", [at("other.db")])
clone.execute("CREATE TABLE plain.c AS SELECT * FROM customers LIMIT 3")
clone.execute("VACUUM main INTO '%s'" % at("all.db"))
clone.close(); db.close()
for name in sorted(os.listdir(dir)):
    one = sqlite3.connect("file:%s?vfs=unix" % at(name), uri=True)
    print(name, one.execute("PRAGMA integrity_check").fetchone()[0], [n for n, in one.execute("SELECT name FROM sqlite_master WHERE type='table'")])
`, extension(t), dir, sqlitevfs.DSN(r.path+makeDefault, r.source, nil), makeDefault)
		want := `all.db ok ['customers', 'orders']
into.db ok ['t']
other.db ok ['t', 'c']
plain.db ok ['t']`
		if out != want {
			t.Errorf("hydrant_default(%s):\n%s\nwant\n%s", makeDefault, out, want)
		}
	}
}

// HYDRANT_DB and HYDRANT_SOURCE are about one path. Other settings come from the environment, the URI
// before it, and one that nobody knows is an error with its name.
func TestEnvironment(t *testing.T) {
	r := newRig(t, 4<<20)
	t.Run("one path", func(t *testing.T) {
		p := hosts[3].start(t, "HYDRANT_DB="+r.path, "HYDRANT_SOURCE="+r.source, "HYDRANT_HYDRATE=off")
		p.run(t, ".open "+r.path)
		r.same(t, p, "SELECT name FROM customers WHERE id = 7")
		if got := p.run(t, "SELECT hydrant_hydrate(), hydrant_progress() < 100, hydrant_default()"); got != "0|1|1" {
			t.Errorf("it is %s", got)
		}
		p.run(t, "ATTACH '"+r.path+"2' AS two")
		p.run(t, "CREATE TABLE two.t AS SELECT 1 AS a")
		if got := p.run(t, "SELECT hydrant_progress('two'), (SELECT count(*) FROM two.sqlite_master)"); got != "100.0|1" && got != "100|1" {
			t.Errorf("the other file: %s", got)
		}
		p.run(t, "VACUUM main INTO '"+r.path+"3'")
		p.end(t)
		for _, name := range []string{r.path + "2", r.path + "3"} {
			if b, err := os.ReadFile(name); err != nil || !strings.HasPrefix(string(b), "SQLite format 3") {
				t.Errorf("%s is no plain database: %.20q, %v", name, b, err)
			}
		}
	})
	t.Run("the URI goes first", func(t *testing.T) {
		p := hosts[1].start(t, "HYDRANT_HYDRATE=off")
		p.run(t, ".open "+sqlitevfs.DSN(r.path+"4", r.source, nil)+"&hydrate=on")
		if got := p.run(t, "SELECT hydrant_hydrate()"); got != "1" {
			t.Error(got)
		}
		p.end(t)
	})
	t.Run("unknown keys", func(t *testing.T) {
		p := hosts[1].start(t)
		_, err := p.try(".open " + sqlitevfs.DSN(r.path+"5", r.source, nil) + "&bandwith=3MB")
		if err == nil || !strings.Contains(err.Error(), "bandwith: is not a parameter that we know") {
			t.Errorf("%v", err)
		}
	})
	t.Run("wrong values", func(t *testing.T) {
		p := hosts[1].start(t, "HYDRANT_BANDWIDTH=much")
		_, err := p.try(".open " + sqlitevfs.DSN(r.path+"6", r.source, nil))
		if err == nil || !strings.Contains(err.Error(), "bandwidth") {
			t.Errorf("%v", err)
		}
	})
}

// What is wrong is said in words, in each host, and nothing is left where there was nothing.
func TestErrorsInWords(t *testing.T) {
	r := newRig(t, 1<<20)
	missing := r.server.Source("bucket", "missing.db")
	for _, h := range hosts {
		t.Run(h.name, func(t *testing.T) {
			p := h.start(t)
			path := filepath.Join(t.TempDir(), "app.db")
			line := "SELECT hydrant_clone('" + missing + "', '" + path + "')"
			_, err := p.try(line)
			if err == nil || !strings.Contains(err.Error(), "missing.db") {
				t.Errorf("hydrant_clone: %v", err)
			}
			if names, _ := filepath.Glob(path + "*"); len(names) > 0 {
				t.Errorf("left behind: %v", names)
			}
			if !h.uris {
				return
			}
			_, err = p.try(".open " + sqlitevfs.DSN(path, missing, nil))
			if err == nil || !strings.Contains(err.Error(), "missing.db") {
				t.Errorf("open: %v", err)
			}
		})
	}
}

// The log goes to standard error when it is asked for, and not otherwise; and on a SQLite with the
// WAL-reset bug it warns of it once.
func TestLog(t *testing.T) {
	r := newRig(t, 1<<20)
	for i, h := range hosts[1:] {
		t.Run(h.name, func(t *testing.T) {
			path := fmt.Sprint(r.path, i)
			p := h.start(t, "HYDRANT_LOG=1")
			p.open(t, path, r.source)
			version := p.run(t, "SELECT sqlite_version()")
			p.run(t, "PRAGMA journal_mode=WAL")
			p.run(t, "CREATE TABLE w(a)")
			q := h.start(t)
			q.open(t, path+"q", r.source) // its own: of two, either may be the one that completes it
			q.run(t, "PRAGMA journal_mode=WAL")
			q.run(t, "CREATE TABLE w(a)")
			if got := p.run(t, "SELECT hydrant_wait(60)"); got != "1" {
				t.Fatal(got)
			}
			if s := q.end(t); s != "" {
				t.Errorf("without HYDRANT_LOG: %s", s)
			}
			said := p.end(t)
			warned, want := strings.Count(said, "can, rarely, corrupt a database"), 0
			if hasWALReset(t, version) {
				want = 1
			}
			if warned != want {
				t.Errorf("SQLite %s: %d warnings of the WAL, want %d", version, warned, want)
			}
			if !strings.Contains(said, path+": complete") {
				t.Errorf("nothing of its completion in:\n%s", said)
			}
			t.Logf("SQLite %s: %s", version, said)
		})
	}
}

// hasWALReset tells whether a version has the bug that was mended in 3.51.3, 3.50.7 and 3.44.6.
func hasWALReset(t *testing.T, version string) bool {
	t.Helper()
	var major, minor, patch int
	if _, err := fmt.Sscanf(version, "%d.%d.%d", &major, &minor, &patch); err != nil || major != 3 {
		t.Fatalf("version %q: %v", version, err)
	}
	since := map[int]int{44: 6, 50: 7, 51: 3}
	first, mended := since[minor]
	return minor < 52 && (!mended || patch < first)
}
