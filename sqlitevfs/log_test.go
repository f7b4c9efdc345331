package sqlitevfs

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"hydrant/clone/state"
	"hydrant/sqlitevfs/internal/logtest"
)

const lineOfOurs = "hydrant: a line from a thread of ours"

// listen is a process that asks one clone, listens to SQLite's log, and prints what it heard.
func listen(path, source string) {
	check(logtest.Listen())
	registerTest()
	uri := DSN(path, source, &Params{More: map[string]string{"cache": "private"}})
	own, others, err := logtest.Run(uri, `SELECT hydrant_status()`, "waiting for a transaction", 100, lineOfOurs)
	fmt.Printf("own:\n%sothers:\n%s", own, others)
	check(err)
}

// A program with a single thread may have a log callback that is for a single thread. It is not
// called by a thread of ours while another process's transaction keeps the clone from being
// completed, and what such a thread has to say is said in the program's own.
func TestLogInTheProgramsThread(t *testing.T) {
	if state.BootID() == [16]byte{} {
		t.Skip("one process at a time here")
	}
	for _, mode := range []string{"DELETE", "WAL"} {
		for _, begin := range []string{"BEGIN; SELECT count(*) FROM log", "BEGIN IMMEDIATE", "BEGIN EXCLUSIVE"} {
			t.Run(mode+" "+begin[:min(len(begin), 15)], func(t *testing.T) {
				t.Parallel()
				dir := tempDir(t)
				src, path := filepath.Join(dir, "src.db"), filepath.Join(dir, "app.db")
				makeSource(t, src, build{rows: 300})
				db := openDSN(t, DSN(path, src, &Params{NoHydrate: true}))
				db.SetMaxOpenConns(1)
				run(t, db, `PRAGMA journal_mode=`+mode, begin, `SELECT hydrant_hydrate(1)`)
				out, err := exec.Command(os.Args[0], childPrefix+"listen", path, src).CombinedOutput()
				if err != nil {
					t.Fatalf("%v: %s", err, out)
				}
				own, others, ok := strings.Cut(string(out), "others:\n")
				if !ok || others != "" {
					t.Errorf("lines from other threads:\n%s", others)
				}
				if !strings.Contains(own, lineOfOurs) {
					t.Errorf("it was not told of a line that a thread of ours had:\n%s", own)
				}
				run(t, db, `COMMIT`)
				closeDB(t, db)
			})
		}
	}
}
