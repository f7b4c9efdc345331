package clone_test

import (
	"math/rand/v2"
	"path/filepath"
	"testing"
	"time"

	"hydrant/clone"
	"hydrant/internal/pattern"
	"hydrant/internal/s3test"
)

// Readers of a server that is late now and then ask some things twice, few, and say so.
func TestLateAnswersAreAskedForTwice(t *testing.T) {
	// A reader's window is between these two, as the line allows; no read falls into another's.
	const windows, window, largest, reads, one = 1024, 64 << 10, 256 << 10, 600, 4096
	late := s3test.Mixed(s3test.Fixed(2*time.Millisecond), s3test.Uniform(100*time.Millisecond, 200*time.Millisecond), 0.03)
	s := s3test.Start(t, s3test.Options{Seed: 4, Network: s3test.Network{Latency: late}})
	for key, value := range s.Env() {
		t.Setenv(key, value)
	}
	s.CreateBucket("b")
	blob := pattern.Blob{Seed: 61}
	s.PutReaderAt("b", "k", blob, windows*largest, "v1")
	g := &siege{T: t, s: s}
	off := false
	c, err := clone.OpenPath(t.Context(), g.open("s3"), filepath.Join(t.TempDir(), "app.db"),
		&clone.Options{RegionSize: one, Keep: true, NoTrace: true, NoBackground: true, Knobs: clone.Knobs{Hydration: &off}})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	got := make([]byte, one)
	for _, w := range rand.New(rand.NewPCG(4, 4)).Perm(windows - 1)[:reads] {
		at := int64(w+1) * largest // the first came with opening
		if _, err := c.ReadAt(t.Context(), got, at); err != nil {
			t.Fatal(err)
		}
		if err := blob.Check(got, at); err != nil {
			t.Fatal(err)
		}
	}
	status, again := c.Status(), int64(c.View().Header.Refetched.Load())
	t.Logf("%d requests for %d reads, %d bytes asked for twice", status.Requests, reads, again)
	second := int64(status.Requests) - reads - 1
	if second < 5 || second > reads/20 {
		t.Errorf("%d second requests for %d reads", second, reads)
	}
	if again < second*window || again > second*largest {
		t.Errorf("%d bytes are said to be asked for twice, by %d requests", again, second)
	}
	// One that was given up at once may not have been sent.
	if n := s.Stats().Total; n > int64(status.Requests) || n < int64(status.Requests)-second/2 {
		t.Errorf("the server saw %d requests, the clone counted %d", n, status.Requests)
	}
	// What a reader waits for comes first: the rest of the last window may still be on its way.
	if n := status.BytesFetched; n > (reads+1)*largest || n <= reads*window {
		t.Errorf("%d bytes were taken for %d windows", n, reads+1)
	}
}
