package shopdb

import (
	"bytes"
	"context"
	"database/sql"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
)

func shopOf(t *testing.T, opts Options) (path string, db *sql.DB) {
	t.Helper()
	path = filepath.Join(t.TempDir(), "shop.db")
	if err := Create(t.Context(), path, opts); err != nil {
		t.Fatal(err)
	}
	db, err := OpenPlain(path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	return path, db
}

func one(t *testing.T, db *sql.DB, query string) string {
	t.Helper()
	var s string
	if err := db.QueryRow(query).Scan(&s); err != nil {
		t.Fatalf("%s: %v", query, err)
	}
	return s
}

func TestCreate(t *testing.T) {
	for _, o := range []Options{
		{},
		{Size: 1},
		{Size: 100_000, PageSize: 512, Seed: 7},
		{Size: 3 << 20, PageSize: 65536},
		{Size: 8 << 20, WAL: true},
	} {
		t.Run(fmt.Sprintf("size=%d,page=%d", o.Size, o.PageSize), func(t *testing.T) {
			path, db := shopOf(t, o)
			o.setDefaults()
			info, err := os.Stat(path)
			if err != nil {
				t.Fatal(err)
			}
			if least := int64(7 * o.PageSize); info.Size() < o.Size || info.Size() > max(o.Size, least)+128<<10 {
				t.Errorf("size %d, want about %d", info.Size(), o.Size)
			}
			want := map[string]string{
				"PRAGMA page_size":       fmt.Sprint(o.PageSize),
				"PRAGMA integrity_check": "ok",
				"PRAGMA journal_mode":    map[bool]string{true: "wal", false: "delete"}[o.WAL],
				"SELECT count(*)=10*(SELECT count(*) FROM customers) FROM orders":        "1",
				"SELECT count(*) FROM pragma_foreign_key_check":                          "0",
				"SELECT count(*) FROM orders WHERE length(note) NOT BETWEEN 150 AND 550": "0",
			}
			for q, w := range want {
				if got := one(t, db, q); got != w {
					t.Errorf("%s: %s, want %s", q, got, w)
				}
			}
		})
	}
}

func TestSameSeedSameFile(t *testing.T) {
	a, _ := shopOf(t, Options{Seed: 3})
	b, _ := shopOf(t, Options{Seed: 3})
	c, _ := shopOf(t, Options{Seed: 4})
	var got [3][]byte
	for i, p := range []string{a, b, c} {
		got[i], _ = os.ReadFile(p)
	}
	if !bytes.Equal(got[0], got[1]) {
		t.Error("equal seeds made different files")
	}
	if bytes.Equal(got[0], got[2]) {
		t.Error("different seeds made equal files")
	}
}

func TestCreateReplacesNothing(t *testing.T) {
	path := filepath.Join(t.TempDir(), "shop.db")
	if err := os.WriteFile(path, []byte("mine"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := Create(t.Context(), path, Options{Size: 1}); !errors.Is(err, fs.ErrExist) {
		t.Errorf("over a file: %v, want fs.ErrExist", err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := Create(ctx, path+"2", Options{}); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
	left, _ := filepath.Glob(filepath.Dir(path) + "/*")
	if len(left) != 1 {
		t.Errorf("left behind: %v", left)
	}
}

func TestHashSeesEveryChange(t *testing.T) {
	_, db := shopOf(t, Options{Size: 200_000})
	digest := func() string {
		t.Helper()
		d, err := Hash(t.Context(), db)
		if err != nil {
			t.Fatal(err)
		}
		return d
	}
	seen := map[string]string{digest(): "nothing"}
	for _, q := range []string{
		"UPDATE orders SET note = note || ' ' WHERE id = 5",
		"UPDATE customers SET notes = '' WHERE id = (SELECT min(id) FROM customers WHERE notes IS NULL)",
		"UPDATE orders SET tracking = CAST(tracking AS BLOB) WHERE id = 1",
		"DELETE FROM orders WHERE id = 2",
		"CREATE INDEX more ON orders(total_cents)",
	} {
		if _, err := db.Exec(q); err != nil {
			t.Fatal(err)
		}
		if was, ok := seen[digest()]; ok {
			t.Errorf("%q: same digest as after %q", q, was)
		}
		seen[digest()] = q
	}
	before := digest()
	if _, err := db.Exec("VACUUM"); err != nil {
		t.Fatal(err)
	}
	if digest() != before {
		t.Error("VACUUM changed the digest")
	}
}

func BenchmarkCreate(b *testing.B) {
	const size = 200e6
	b.SetBytes(size)
	for b.Loop() {
		path := filepath.Join(b.TempDir(), "shop.db")
		if err := Create(b.Context(), path, Options{Size: size}); err != nil {
			b.Fatal(err)
		}
		_ = os.Remove(path)
	}
}
