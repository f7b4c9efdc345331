package clone_test

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"testing"
	"time"

	"hydrant/clone"
	"hydrant/internal/s3test"
	"hydrant/source/s3"
)

// A bit that flips on the way is found out before the clone becomes a plain file, wherever it lies;
// it stays found out for whoever opens the clone next; and nothing is said of what is right.
func TestFlippedBit(t *testing.T) {
	aws(t)
	for name, at := range map[string]int64{"none": -1, "first byte": 0, "first request": 40_000, "middle": 300_001, "last byte": hostileSize - 1} {
		t.Run(name, func(t *testing.T) {
			s := s3test.Start(t, s3test.Options{})
			want := hostileBlob.Bytes(hostileSize)
			s.Put("b", "k", want)
			if at >= 0 {
				s.Inject(s3test.Match{Op: s3test.OpGetObject, Key: "k", From: at, To: at + 1, Times: 1}, s3test.FlipBit(at))
			}
			path := filepath.Join(t.TempDir(), "app.db")
			open := func() *clone.Clone {
				src, err := s3.Open(t.Context(), s.Source("b", "k"), s3.Options{})
				if err != nil {
					t.Fatal(err)
				}
				c, err := clone.OpenPath(t.Context(), src, path, nil)
				if err != nil {
					t.Fatal(err)
				}
				return c
			}
			ctx, cancel := context.WithTimeout(t.Context(), hangGuard)
			defer cancel()
			c := open()
			err := c.Wait(ctx)
			if at < 0 {
				if err != nil {
					t.Fatal(err)
				}
				if err := c.Close(); err != nil {
					t.Fatal(err)
				}
				if got, err := os.ReadFile(path); err != nil || !bytes.Equal(got, want) {
					t.Errorf("the file is not the object (%v)", err)
				}
				return
			}
			for range 2 { // lives
				if !errors.Is(err, clone.ErrCorrupt) || !errors.Is(err, clone.ErrStalled) {
					t.Fatalf("got %v; %+v", err, c.Status())
				}
				if st := c.Status(); st.State != clone.StateStalled || st.Error == "" {
					t.Errorf("status %s, %q", st.State, st.Error)
				}
				_ = c.Close()
				if got, err := os.ReadFile(path); err != nil || !bytes.HasPrefix(got, []byte("hydrant\n")) {
					t.Errorf("the guard is gone: %.16q, %v", got, err)
				}
				c = open()
				err = c.Wait(ctx)
			}
			_ = c.Close()
		})
	}
}

// What was written before it was fetched was never the source's: then nothing can be said, and
// nothing is.
func TestChecksumOfWhatIsWritten(t *testing.T) {
	aws(t)
	g := newSiege(t, "s3", 10*time.Second)
	line := bytes.Repeat([]byte("x"), 2*hostileRegion)
	if _, err := g.c.WriteAt(t.Context(), line, hostileSize/2+hostileRegion); err != nil {
		t.Fatal(err)
	}
	copy(g.want[hostileSize/2+hostileRegion:], line)
	g.ends()
}
