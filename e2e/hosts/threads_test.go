//go:build e2e && linux

package hosts

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"hydrant/sqlitevfs"
)

// Threads with connections of their own to one clone, that read and write while it is hydrated, and
// others that come and go.
func TestPythonThreads(t *testing.T) {
	r := newRig(t, 8<<20)
	out := pythonRun(t, `
import sqlite3, sys, threading
so, uri = sys.argv[1:]
boot = sqlite3.connect(":memory:")
boot.enable_load_extension(True)
boot.load_extension(so)
errors = []
def thread(i):
    try:
        for n in range(10):
            db = sqlite3.connect(uri, uri=True, isolation_level=None, timeout=60)
            db.execute("PRAGMA journal_mode=WAL")
            db.execute("UPDATE customers SET name = name || '!' WHERE id = ?", [i*10+n+1])
            db.execute("SELECT total(length(note)) FROM orders WHERE id % 8 = ?", [i]).fetchone()
            db.close()
    except Exception as e:
        errors.append(e)
threads = [threading.Thread(target=thread, args=(i,)) for i in range(8)]
for t in threads: t.start()
for t in threads: t.join()
assert not errors, errors
db = sqlite3.connect(uri, uri=True)
print(db.execute("SELECT hydrant_wait(60)").fetchone()[0])
db.close()
`, extension(t), sqlitevfs.DSN(r.path, r.source, nil))
	if out != "1" {
		t.Error(out)
	}
	if _, err := r.want.ExecContext(t.Context(), "UPDATE customers SET name = name || '!' WHERE id <= 80"); err != nil {
		t.Fatal(err)
	}
	r.finished(t)
}

// SQLAlchemy's pool opens connections when it likes, in whichever thread.
func TestSQLAlchemy(t *testing.T) {
	r := newRig(t, 4<<20)
	if err := exec.Command(pythonPath(t), "-c", "import sqlalchemy").Run(); err != nil {
		t.Fatal("no SQLAlchemy: Debian's python3-sqlalchemy has it")
	}
	out := pythonRun(t, `
import sqlite3, sys
from concurrent.futures import ThreadPoolExecutor
from sqlalchemy import create_engine, pool, text
so, uri = sys.argv[1:]
boot = sqlite3.connect(":memory:")
boot.enable_load_extension(True)
boot.load_extension(so)
engine = create_engine("sqlite://", creator=lambda: sqlite3.connect(uri, uri=True, timeout=60, check_same_thread=False),
    poolclass=pool.QueuePool, pool_size=4)
def work(i):
    with engine.begin() as db:
        db.execute(text("UPDATE customers SET name = name || '!' WHERE id = :i"), {"i": i})
    with engine.connect() as db:
        return db.execute(text("SELECT name FROM customers WHERE id = :i"), {"i": i}).scalar_one().endswith("!")
with ThreadPoolExecutor(8) as threads:
    print(all(threads.map(work, range(1, 61))))
with engine.connect() as db:
    print(db.execute(text("SELECT hydrant_wait(60)")).scalar_one())
engine.dispose()
`, extension(t), sqlitevfs.DSN(r.path, r.source, nil))
	if out != "True\n1" {
		t.Error(out)
	}
	if _, err := r.want.ExecContext(t.Context(), "UPDATE customers SET name = name || '!' WHERE id <= 60"); err != nil {
		t.Fatal(err)
	}
	r.finished(t)
}

// Node's worker threads each load the library; it is one for the process.
func TestNodeWorkers(t *testing.T) {
	const program = `
import { Worker, isMainThread, workerData } from 'node:worker_threads';
import { createRequire } from 'node:module';
const [modules, so, source, path] = isMainThread ? process.argv.slice(2) : workerData.args;
const Database = createRequire(modules + '/x.js')('better-sqlite3');
const boot = new Database(':memory:');
boot.loadExtension(so);
boot.prepare('SELECT hydrant_clone(?, ?), hydrant_default(1)').get(source, path);
const db = new Database(path, { timeout: 60000 });
db.pragma('journal_mode=WAL');
if (isMainThread) {
  const workers = Array.from({ length: 4 }, (_, i) => new Worker(new URL(import.meta.url), { workerData: { i, args: process.argv.slice(2) } }));
  const codes = await Promise.all(workers.map((w) => new Promise((done) => w.on('exit', done))));
  console.log(codes.join(), db.prepare('SELECT hydrant_wait(60)').pluck().get());
} else {
  const update = db.prepare("UPDATE customers SET name = name || '!' WHERE id = ?");
  for (let n = 1; n <= 15; n++) update.run(workerData.i * 15 + n);
}
db.close();
boot.close();
`
	r := newRig(t, 4<<20)
	script := r.script(t, "main.mjs", program)
	cmd := exec.Command("node", "--no-warnings", script, modules(t, "better-sqlite3"), extension(t), r.source, r.path)
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil || strings.TrimSpace(string(out)) != "0,0,0,0 1" {
		t.Errorf("%v: %s", err, out)
	}
	if err := os.RemoveAll(filepath.Dir(script)); err != nil {
		t.Fatal(err)
	}
	if _, err := r.want.ExecContext(t.Context(), "UPDATE customers SET name = name || '!' WHERE id <= 60"); err != nil {
		t.Fatal(err)
	}
	r.finished(t)
}
