package sqlitevfs

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"hydrant/clone"
	"hydrant/source"
)

// A database that is damaged, or none, is completed all the same: it is no less the source's bytes,
// and whoever wants to save something from it needs them as a plain file.
func TestDamagedDatabaseIsCompleted(t *testing.T) {
	for what, damage := range map[string]func([]byte) []byte{
		"half of it": func(b []byte) []byte { return b[:len(b)/2/4096*4096] },
		"no header":  func(b []byte) []byte { clear(b[:100]); return b },
		"no schema":  func(b []byte) []byte { clear(b[100:4096]); return b },
	} {
		t.Run(what, func(t *testing.T) {
			dir := tempDir(t)
			src, path := filepath.Join(dir, "src.db"), filepath.Join(dir, "app.db")
			makeSource(t, src, build{rows: 3000})
			whole, err := os.ReadFile(src)
			if err != nil {
				t.Fatal(err)
			}
			damaged := damage(whole)
			if err := os.WriteFile(src, damaged, 0o644); err != nil {
				t.Fatal(err)
			}
			ctx, stop := context.WithTimeout(t.Context(), time.Minute)
			defer stop()
			bare, err := openFake(ctx, "file:"+src)
			if err != nil {
				t.Fatal(err)
			}
			c, err := clone.OpenPath(ctx, bare, path, &clone.Options{Quiesce: Quiesce(path),
				OpenSource: func(ctx context.Context, url string) (source.Source, error) { return openFake(ctx, url) }})
			if err != nil {
				t.Fatal(err)
			}
			if err := errors.Join(c.Wait(ctx), c.Close()); err != nil {
				t.Error(err)
			}
			if got, err := os.ReadFile(path); err != nil || string(got) != string(damaged) {
				t.Errorf("it has other bytes than the source, %v", err)
			}
			wantGone(t, path)
		})
	}
}
