package clone

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"hydrant/internal/pattern"
	"hydrant/source/sourcetest"
)

// stripe is how much of a blob one of many writers has to itself, and every writers-th such piece.
const stripe = 256 << 10

// oracle is what a clone of blob must read as, when each of its writers writes only to stripes of
// its own: everybody's bytes are a function of the offset and of who wrote last.
type oracle struct {
	blob    pattern.Blob
	size    int64
	writers int
	written []writerMap // by writer
}

// writerMap is what one writer has written: for each block of 512 bytes the version, 0 none. Only
// the writer reads it while it writes.
type writerMap map[int64]uint64

const oracleBlock = 512

// content is what stands at a block of writer w in a version.
func content(version uint64) pattern.Blob { return pattern.Blob{Seed: version << 20} }

// write draws a range of whole blocks in a stripe of w, and what to write there.
func (o *oracle) write(w int, rng *rand.Rand, version uint64) (p []byte, off int64) {
	stripes := o.size / stripe / int64(o.writers)
	at := (rng.Int64N(stripes)*int64(o.writers) + int64(w)) * stripe
	lo := rng.Int64N(stripe / oracleBlock)
	n := 1 + rng.Int64N(min(40, stripe/oracleBlock-lo))
	off = at + lo*oracleBlock
	for b := range n {
		o.written[w][off/oracleBlock+b] = version
	}
	return content(version).Range(off, n*oracleBlock), off
}

// check compares p, read at off by writer w, where it knows: its own blocks, and those of nobody.
func (o *oracle) check(w int, p []byte, off int64, final bool) error {
	for done := int64(0); done < int64(len(p)); {
		n := min(oracleBlock-(off+done)%oracleBlock, int64(len(p))-done)
		at, part := off+done, p[done:done+n]
		owner := int(at / stripe % int64(o.writers))
		// The last, incomplete round of stripes is nobody's.
		if at/stripe >= o.size/stripe/int64(o.writers)*int64(o.writers) {
			owner = -1
		}
		var err error
		switch {
		case owner < 0:
			err = o.blob.Check(part, at)
		case owner == w || final:
			if v := o.written[owner][at/oracleBlock]; v != 0 {
				err = content(v).Check(part, at)
			} else {
				err = o.blob.Check(part, at)
			}
		}
		if err != nil {
			return fmt.Errorf("writer %d: %w", w, err)
		}
		done += n
	}
	return nil
}

// run has w read and write at random through c, n times.
func (o *oracle) run(ctx context.Context, c *Clone, w int, seed uint64, n int) error {
	rng := rand.New(rand.NewPCG(seed, uint64(w)))
	for i := range n {
		if rng.IntN(3) == 0 {
			p, off := o.write(w, rng, uint64(w*n+i+1))
			if _, err := c.WriteAt(ctx, p, off); err != nil {
				return err
			}
			continue
		}
		size := 1 + rng.Int64N(64<<10)
		off := rng.Int64N(o.size - size)
		if rng.IntN(2) == 0 { // of one's own
			off = (off/stripe/int64(o.writers)*int64(o.writers) + int64(w)) * stripe
			off = min(off, o.size-size)
		}
		p := make([]byte, size)
		if _, err := c.ReadAt(ctx, p, off); err != nil {
			return err
		}
		if err := o.check(w, p, off, false); err != nil {
			return err
		}
	}
	return nil
}

// final compares all of the file at path.
func (o *oracle) final(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	p := make([]byte, 1<<20)
	for off := int64(0); off < o.size; {
		n, err := f.ReadAt(p[:min(int64(len(p)), o.size-off)], off)
		if err != nil && err != io.EOF {
			return err
		}
		if n == 0 {
			return fmt.Errorf("file ends at %d of %d", off, o.size)
		}
		if err := o.check(-1, p[:n], off, true); err != nil {
			return err
		}
		off += int64(n)
	}
	return nil
}

func newOracle(size int64, writers int) *oracle {
	o := &oracle{blob: pattern.Blob{Seed: 77, ZeroEvery: 9}, size: size, writers: writers}
	for range writers {
		o.written = append(o.written, writerMap{})
	}
	return o
}

// A gigabyte is hydrated into a real file under random readers and writers, and is byte for byte
// what it has to be (I7).
func TestAGigabyteUnderLoad(t *testing.T) {
	size := int64(1<<30 + 12_345)
	if testing.Short() || raceDetector {
		size = 128<<20 + 12_345
	}
	path := filepath.Join(t.TempDir(), "blob")
	o := newOracle(size, 8)
	src := sourcetest.NewVirtual(o.blob, size)
	ctx := context.Background()
	c, err := OpenPath(ctx, src, path, nil)
	if err != nil {
		t.Fatal(err)
	}
	var load sync.WaitGroup
	for w := range o.writers {
		load.Go(func() {
			if err := o.run(ctx, c, w, 1, 1500); err != nil {
				t.Error(err)
			}
		})
	}
	load.Wait()
	if err := c.Wait(ctx); err != nil {
		t.Fatal(err)
	}
	if err := c.Close(); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(path + "-hydrant"); !os.IsNotExist(err) {
		t.Errorf("state file: %v", err)
	}
	if err := o.final(path); err != nil {
		t.Error(err)
	}
	if n := src.Twice(); uint64(n) > c.Status().BytesFetched/10 {
		t.Errorf("%d bytes of %d fetched twice", n, c.Status().BytesFetched)
	}
}
