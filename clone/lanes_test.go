package clone_test

import (
	"path/filepath"
	"testing"
	"time"

	"hydrant/clone"
	"hydrant/internal/pattern"
	"hydrant/internal/s3test"
)

// Whatever the background does, the checksum included, it takes no connection that a reader could have,
// who would have to wait for a handshake.
func TestReadersKeepTheirConnections(t *testing.T) {
	const size = 256 << 20
	s := s3test.Start(t, s3test.Options{Network: s3test.Network{Latency: s3test.Fixed(5 * time.Millisecond), Bandwidth: 20e6}})
	for key, value := range s.Env() {
		t.Setenv(key, value)
	}
	s.CreateBucket("b")
	blob := pattern.Blob{Seed: 62}
	s.PutReaderAt("b", "k", blob, size, "v1")
	g := &siege{T: t, s: s}
	c, err := clone.OpenPath(t.Context(), g.open("s3"), filepath.Join(t.TempDir(), "app.db"), &clone.Options{RegionSize: 4096})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	got := make([]byte, 4096)
	for i := range int64(12) {
		at := size - (i+1)*size/16
		if _, err := c.ReadAt(t.Context(), got, at); err != nil {
			t.Fatal(err)
		}
		if err := blob.Check(got, at); err != nil {
			t.Fatal(err)
		}
		time.Sleep(10 * time.Millisecond) // for the background to have its turn
	}
	readers, background := map[uint64]bool{}, map[uint64]bool{}
	for _, a := range s.Log("b", "k") {
		if a.Op == s3test.OpGetObject && a.Len <= 256<<10 { // the largest window; a range of the background has 8 MiB, or what a window left of that
			readers[a.Conn] = true
		} else {
			background[a.Conn] = true
		}
	}
	if len(readers) == 0 || len(background) == 0 {
		t.Fatalf("connections of readers %v, of the background %v", readers, background)
	}
	for c := range readers {
		if background[c] {
			t.Errorf("connection %d was used for both", c)
		}
	}
}
