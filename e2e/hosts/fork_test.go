//go:build e2e && linux

package hosts

import (
	"strings"
	"testing"

	"hydrant/sqlitevfs"
)

// In a child that multiprocessing has forked from a process which loaded the library, what is here is
// read and plain databases work. All else fails at once, in words; so do a clone that is opened there
// and the functions. The parent does not notice.
func TestFork(t *testing.T) {
	r := newRig(t, 4<<20)
	t.Setenv("HYDRANT_LOG", "1")
	out, said := pythonBoth(t, `
import multiprocessing, os, signal, sqlite3, sys
so, uri, plain = sys.argv[1:]
boot = sqlite3.connect(":memory:")
boot.enable_load_extension(True)
boot.load_extension(so)
db = sqlite3.connect(uri, uri=True, isolation_level=None)
db.execute("PRAGMA cache_size=0")
warm = "SELECT name FROM customers WHERE id = 7"
cold = "SELECT total(id), total(length(note)) FROM orders"
want = db.execute(warm).fetchall()
def attempt(f):
    try:
        return f()
    except Exception as e:
        return type(e).__name__ + ": " + str(e)
def child(pipe):
    signal.alarm(20)
    pipe.send([
        attempt(lambda: db.execute(warm).fetchall() == want),
        attempt(lambda: db.execute(cold).fetchall()),
        attempt(lambda: db.execute("SELECT hydrant_status()").fetchall()),
        attempt(lambda: sqlite3.connect(uri, uri=True).execute(warm).fetchall()),
        attempt(lambda: boot.load_extension(so)),
        attempt(lambda: sqlite3.connect(plain).execute("CREATE TABLE t(a)").fetchall()),
    ])
    os._exit(0)
ours, theirs = multiprocessing.Pipe()
p = multiprocessing.get_context("fork").Process(target=child, args=(theirs,))
p.start()
assert ours.poll(30), "the child says nothing"
for line in ours.recv():
    print(line)
p.join()
print(p.exitcode, db.execute(warm).fetchall() == want, db.execute(cold).fetchone()[0] > 0)
`, extension(t), sqlitevfs.DSN(r.path, r.source, &sqlitevfs.Params{NoHydrate: true}), r.path+".plain")
	want := `True
OperationalError: disk I/O error
OperationalError: hydrant: not in a forked child
OperationalError: automatic extension loading failed: hydrant: open ` + r.path + `: not in a forked child; open it again after exec, or fork first
None
[]
0 True True`
	if out != want {
		t.Errorf("%s\nwant\n%s", out, want)
	}
	if line := "hydrant: read " + r.path + ": not in a forked child"; !strings.Contains(said, line) {
		t.Errorf("in the log is not %q:\n%s", line, said)
	}
}

// Children that load the library themselves have all of it: those that multiprocessing spawns from a
// parent which has loaded it, and those of a server that forks before it loads anything.
func TestChildrenThatLoadIt(t *testing.T) {
	for name, program := range map[string]string{
		"spawn": `
import multiprocessing, sys, worker
if __name__ == "__main__":
    worker.work(*sys.argv[1:], 0)
    with multiprocessing.get_context("spawn").Pool(3) as pool:
        pool.starmap(worker.work, [(*sys.argv[1:], i) for i in range(1, 7)])
    print("ok")
`,
		"pre-fork": `
import os, sys, worker
children = []
for i in range(7):
    pid = os.fork()
    if pid == 0:
        worker.work(*sys.argv[1:], i)
        os._exit(0)
    children.append(pid)
assert [os.waitpid(pid, 0)[1] for pid in children] == [0] * 7
print("ok")
`,
	} {
		t.Run(name, func(t *testing.T) {
			r := newRig(t, 4<<20)
			script := r.script(t, "main.py", program)
			r.script(t, "worker.py", `
import signal, sqlite3
def work(so, uri, i):
    signal.alarm(60)
    boot = sqlite3.connect(":memory:")
    boot.enable_load_extension(True)
    boot.load_extension(so)
    db = sqlite3.connect(uri, uri=True, isolation_level=None, timeout=30)
    db.execute("PRAGMA journal_mode=WAL")
    for n in range(20):
        db.execute("UPDATE customers SET name = name || ? WHERE id = ?", ["!", i*20+n+1])
    assert db.execute("SELECT total(id) > 0 FROM orders").fetchone() == (1,)
    db.close()
`)
			if out := pythonFile(t, script, extension(t), sqlitevfs.DSN(r.path, r.source, nil)); out != "ok" {
				t.Error(out)
			}
			if _, err := r.want.ExecContext(t.Context(), "UPDATE customers SET name = name || '!' WHERE id BETWEEN 1 AND 140"); err != nil {
				t.Fatal(err)
			}
			p := goHost.start(t)
			p.open(t, r.path, "")
			if got := p.run(t, "SELECT hydrant_wait(60)"); got != "1" {
				t.Error(got)
			}
			r.same(t, p, "SELECT count(*) FROM customers WHERE name LIKE '%!'")
			p.end(t)
			r.finished(t)
		})
	}
}
