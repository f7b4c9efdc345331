package dest_test

import (
	"io"
	"path/filepath"
	"testing"

	"hydrant/dest"
	"hydrant/dest/desttest"
)

func TestFile(t *testing.T) {
	desttest.Run(t, func(t *testing.T) dest.Target {
		return dest.File(filepath.Join(t.TempDir(), "dest"))
	})
}

func TestMemory(t *testing.T) {
	desttest.Run(t, func(*testing.T) dest.Target { return dest.Memory() })
}

// TestFar works beyond what 32 bits can say, which the suite leaves out: not every destination in
// memory is sparse.
func TestFar(t *testing.T) {
	for _, target := range []dest.Target{dest.Memory(), dest.File(filepath.Join(t.TempDir(), "dest"))} {
		t.Run(filepath.Base(target.Name()), func(t *testing.T) {
			const far = 1<<33 + 5
			if err := target.Create(func(dest.Dest) error { return nil }); err != nil {
				t.Fatal(err)
			}
			d, err := target.Open()
			if err != nil {
				t.Fatal(err)
			}
			defer d.Close()
			if err := d.Truncate(far); err != nil {
				t.Fatal(err)
			}
			if n, err := d.WriteAt([]byte("xyz"), far); n != 3 || err != nil {
				t.Fatal(n, err)
			}
			if size, err := d.Size(); size != far+3 || err != nil {
				t.Errorf("size %d, %v", size, err)
			}
			p := make([]byte, 6)
			if n, err := d.ReadAt(p, far-2); n != 5 || err != io.EOF || string(p) != "\x00\x00xyz\x00" {
				t.Errorf("read %d bytes %q, %v", n, p, err)
			}
			if err := d.Truncate(1); err != nil {
				t.Fatal(err)
			}
		})
	}
}
