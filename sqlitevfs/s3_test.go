package sqlitevfs

import (
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"
	"time"

	"hydrant/internal/s3test"
)

// The real thing: a bucket, some way off, that fails now and then.
func TestS3(t *testing.T) {
	server := s3test.Start(t, s3test.Options{Network: s3test.Network{Latency: s3test.Fixed(5 * time.Millisecond)}})
	for key, value := range server.Env() {
		t.Setenv(key, value)
	}
	server.CreateBucket("b")
	dir := tempDir(t)
	src, path := filepath.Join(dir, "src.db"), filepath.Join(dir, "app.db")
	makeSource(t, src, build{rows: 20000})
	content, err := os.ReadFile(src)
	if err != nil {
		t.Fatal(err)
	}
	server.Put("b", "dir/app v1.db", content)
	server.Inject(s3test.Match{Op: s3test.OpGetObject, Skip: 1, Times: 3}, s3test.SlowDown())
	server.Inject(s3test.Match{Op: s3test.OpGetObject, Skip: 5, Times: 3}, s3test.ResetAfter(50_000))
	db, err := Open(path, server.Source("b", "dir/app v1.db"), nil)
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	want := openPlain(t, src)
	rng := rand.New(rand.NewPCG(1, 2))
	for range 50 {
		var got, exp string
		id := 1 + rng.IntN(20000)
		if err := db.QueryRow(`SELECT b FROM t WHERE id = ?`, id).Scan(&got); err != nil {
			t.Fatal(err)
		}
		if err := want.QueryRow(`SELECT b FROM t WHERE id = ?`, id).Scan(&exp); err != nil {
			t.Fatal(err)
		}
		if got != exp {
			t.Fatalf("row %d: %q, want %q", id, got, exp)
		}
	}
	run(t, db, `INSERT INTO log(what) VALUES ('s3')`)
	run(t, want, `INSERT INTO log(what) VALUES ('s3')`)
	waitComplete(t, db)
	same(t, db, want)
	closeDB(t, db)
	wantGone(t, path)
	same(t, openPlain(t, path), want)
}
