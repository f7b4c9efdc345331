//go:build e2e && linux

package e2e

import (
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"hydrant/sqlitevfs"
	"hydrant/torture"
)

// fill leaves nothing of a disk, so many kilobytes of it apart.
const fill = `head -c 1G /dev/zero > "$1"/filler 2>/dev/null || true; truncate -s -"$2"K "$1"/filler; sync -f "$1"`

// A disk becomes full under a writer, again and again: what fails is told by SQLite's own error, reads
// go on, no answered commit is lost, and when there is room again it goes on by itself to the end.
func TestDiskFullUnderAWriter(t *testing.T) {
	for _, kind := range []string{"ext4", "tmpfs"} {
		for _, mode := range []string{"DELETE", "WAL"} {
			t.Run(kind+", "+mode, func(t *testing.T) {
				t.Parallel()
				dir := ""
				if kind == "tmpfs" {
					dir, _ = small(t, 200)
				} else {
					dir = newVolume(t, kind, "200").dir
				}
				c := newCrew(t, 6000)
				var full atomic.Int64
				c.excuse = func(e torture.Event) bool {
					full.Add(1)
					return strings.Contains(e.Text, "disk is full") || strings.Contains(e.Text, "disk I/O error")
				}
				db := filepath.Join(dir, "app.db")
				hydrant(t, "clone", "--no-hydrate", c.source, db)
				dsn := sqlitevfs.DSN(db, "", &sqlitevfs.Params{Bandwidth: 300 << 10, More: map[string]string{"_busy_timeout": "10000"}})
				pragmas := []string{"PRAGMA journal_mode=" + mode, "PRAGMA synchronous=FULL"}
				c.join(torture.RoleWriter, 0, dsn, nil, pragmas...)
				for _, left := range []string{"0", "40", "400"} {
					c.more(5, 0)
					before := full.Load()
					runScript(t, fill, dir, left)
					for end := time.Now().Add(time.Minute); left == "0" && full.Load() == before; time.Sleep(10 * time.Millisecond) {
						if time.Now().After(end) {
							t.Fatal("the disk is not full for the writer")
						}
					}
					if out, err := run("sql", db, "SELECT count(*), total(length(body)) FROM items"); err != nil && !strings.Contains(out, "disk") {
						t.Errorf("a cold read on a full disk: %v: %s", err, out)
					}
					if status := hydrant(t, "status", db); !strings.Contains(status, "state") {
						t.Errorf("status says: %s", status)
					}
					if err := os.Remove(filepath.Join(dir, "filler")); err != nil {
						t.Fatal(err)
					}
				}
				c.more(10, 0)
				runScript(t, fill, dir, "0")
				hydrant(t, "tune", db, "bandwidth=0")
				if err := os.Remove(filepath.Join(dir, "filler")); err != nil {
					t.Fatal(err)
				}
				c.more(5, 0)
				c.leave()
				hydrant(t, "hydrate", db)
				c.check(torture.RoleCheck, sqlitevfs.DSN(db, "", &sqlitevfs.Params{VFS: "unix"}))
				nothingLeft(t, db)
				t.Logf("%d statements failed", full.Load())
			})
		}
	}
}
