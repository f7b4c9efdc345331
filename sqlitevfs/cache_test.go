package sqlitevfs

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"hydrant/source"
	"hydrant/source/sourcetest"
)

// Twenty clones of one database, opened at the same time in one process, fetch each block once.
func TestClonesShareWhatTheyFetch(t *testing.T) {
	dir := tempDir(t)
	path := filepath.Join(dir, "src.db")
	makeSource(t, path, build{rows: 2000})
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	image := sourcetest.NewFake(content)
	name := fmt.Sprintf("sharing %p", image)
	err = Register(name, &Options{Cache: true, OpenSource: func(context.Context, string) (source.Source, error) {
		return unclosed{image}, nil
	}})
	if err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	for i := range 20 {
		wg.Go(func() {
			db := openDSN(t, DSN(filepath.Join(dir, fmt.Sprintf("app%d.db", i)), image.URL(), &Params{VFS: name}))
			if got := get[int](t, db, `SELECT hydrant_wait(60)`); got != 1 {
				t.Error("not complete")
			}
			if got := get[string](t, db, `PRAGMA integrity_check`); got != "ok" {
				t.Error(got)
			}
			closeDB(t, db)
		})
	}
	wg.Wait()
	if n := image.Twice(); n != 0 {
		t.Errorf("%d bytes were fetched more than once", n)
	}
}

// unclosed is a source that outlives those who open it.
type unclosed struct{ source.Source }

func (unclosed) Close() error { return nil }
