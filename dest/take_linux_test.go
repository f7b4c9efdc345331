package dest_test

import (
	"bytes"
	"errors"
	"io"
	"os"
	"path/filepath"
	"syscall"
	"testing"

	"hydrant/dest"
	"hydrant/internal/pattern"
)

// places are folders of several file systems, as far as this machine has them.
func places(t *testing.T) map[string]string {
	all := map[string]string{"disk": t.TempDir()}
	if dir, err := os.MkdirTemp("/dev/shm", "take"); err == nil {
		t.Cleanup(func() { os.RemoveAll(dir) })
		all["tmpfs"] = dir
	}
	return all
}

// What is taken is what is there, holes included, and nothing beside it is touched.
func TestTakeFrom(t *testing.T) {
	const size = 3<<20 + 777
	for name, dir := range places(t) {
		t.Run(name, func(t *testing.T) {
			from, err := os.Create(filepath.Join(dir, "from"))
			if err != nil {
				t.Fatal(err)
			}
			defer from.Close()
			content := pattern.Blob{Seed: 3}.Bytes(size)
			clear(content[1<<20 : 2<<20]) // never written: a hole
			for _, part := range [][2]int{{0, 1 << 20}, {2 << 20, size}} {
				if _, err := from.WriteAt(content[part[0]:part[1]], int64(part[0])); err != nil {
					t.Fatal(err)
				}
			}
			for _, r := range [][2]int64{{0, size}, {4096, 1 << 20}, {1<<20 + 4096, 8192}, {1<<20 - 4096, 1<<20 + 8192}, {2<<20 + 5, 100}, {size - 3, 3}} {
				target := dest.File(filepath.Join(dir, "to"))
				var got []byte
				stale := bytes.Repeat([]byte{0xee}, size+5000)
				if err := target.Create(func(d dest.Dest) error { _, err := d.WriteAt(stale, 0); return err }); err != nil {
					t.Fatal(err)
				}
				d, err := target.Open()
				if err != nil {
					t.Fatal(err)
				}
				taker, _ := dest.As[dest.Taker](d)
				if err := taker.TakeFrom(from.Fd(), r[0], r[1]); err != nil {
					t.Fatalf("take %d at %d: %v", r[1], r[0], err)
				}
				got = make([]byte, len(stale))
				if _, err := d.ReadAt(got, 0); err != nil && err != io.EOF {
					t.Fatal(err)
				}
				copy(stale[r[0]:r[0]+r[1]], content[r[0]:])
				if !bytes.Equal(got, stale) {
					t.Errorf("after taking %d at %d other bytes are there", r[1], r[0])
				}
				if prober, _ := dest.As[dest.Prober](d); r[1] == size {
					if data, err := prober.HasData(1<<20, 1<<20); data || err != nil {
						t.Errorf("the hole was filled: %v, %v", data, err)
					}
				}
				d.Close()
				os.Remove(target.Name())
			}
		})
	}
}

// Between two file systems, and from what has been cut, nothing is said to be taken.
func TestTakeFromElsewhere(t *testing.T) {
	dirs := places(t)
	if dirs["tmpfs"] == "" {
		t.Skip("one file system only")
	}
	from, err := os.Create(filepath.Join(dirs["tmpfs"], "from"))
	if err != nil {
		t.Fatal(err)
	}
	defer from.Close()
	if _, err := from.Write(make([]byte, 8192)); err != nil {
		t.Fatal(err)
	}
	target := dest.File(filepath.Join(dirs["disk"], "to"))
	if err := target.Create(func(d dest.Dest) error { return d.Truncate(1 << 20) }); err != nil {
		t.Fatal(err)
	}
	d, err := target.Open()
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	taker, _ := dest.As[dest.Taker](d)
	if err := taker.TakeFrom(from.Fd(), 0, 8192); !errors.Is(err, errors.ErrUnsupported) || !errors.Is(err, syscall.EXDEV) {
		t.Errorf("from another file system: %v", err)
	}
}
