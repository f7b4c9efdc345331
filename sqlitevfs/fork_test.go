package sqlitevfs

import (
	"path/filepath"
	"testing"

	"hydrant/sqlitevfs/internal/forktest"
)

// In a forked child there is no Go: what is local is read, what is none of ours works, and the
// rest fails at once.
func TestFork(t *testing.T) {
	p := newPair(t, build{rows: 5000}, &Params{More: map[string]string{"cache": "private"}})
	uri := DSN(p.path, "", nil)
	plain := DSN(filepath.Join(filepath.Dir(p.path), "plain.db"), "", nil)
	got, err := forktest.Run(uri, plain, `PRAGMA cache_size=1; SELECT sum(length(b)) FROM t WHERE id < 50`, `SELECT sum(length(c)) FROM t`)
	if err != nil {
		t.Fatal(err)
	}
	const ioerrRead, cantOpen = 10 | 1<<8, 14
	for step, want := range map[string]int{"warm": 0, "cold": ioerrRead, "plain": 0, "again": cantOpen} {
		if got[step] != want {
			t.Errorf("%s: result code %d, want %d", step, got[step], want)
		}
	}
	same(t, p.db, p.want) // the parent is as it was
}
