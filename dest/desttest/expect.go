package desttest

import (
	"io"
	"testing"

	"hydrant/dest"
)

// create makes an empty destination and opens it.
func create(t *testing.T, target dest.Target) dest.Dest {
	t.Helper()
	if err := target.Create(func(dest.Dest) error { return nil }); err != nil {
		t.Fatal(err)
	}
	return open(t, target)
}

func open(t *testing.T, target dest.Target) dest.Dest {
	t.Helper()
	d, err := target.Open()
	return closeLater(t, d, err)
}

func closeLater(t *testing.T, d dest.Dest, err error) dest.Dest {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := d.Close(); err != nil {
			t.Error(err)
		}
	})
	return d
}

func write(t *testing.T, d dest.Dest, p string, off int64) {
	t.Helper()
	if n, err := d.WriteAt([]byte(p), off); n != len(p) || err != nil {
		t.Fatalf("WriteAt(%d bytes, %d): %d, %v", len(p), off, n, err)
	}
}

func truncate(t *testing.T, d dest.Dest, size int64) {
	t.Helper()
	if err := d.Truncate(size); err != nil {
		t.Fatalf("Truncate(%d): %v", size, err)
	}
	wantSize(t, d, size)
}

func wantSize(t *testing.T, d dest.Dest, want int64) {
	t.Helper()
	if size, err := d.Size(); size != want || err != nil {
		t.Fatalf("Size: %d, %v, want %d", size, err, want)
	}
}

// wantContent compares the whole of d with want, and its size.
func wantContent(t *testing.T, d dest.Dest, want string) {
	t.Helper()
	wantSize(t, d, int64(len(want)))
	got := make([]byte, len(want))
	if n, err := d.ReadAt(got, 0); n != len(got) || err != nil && err != io.EOF {
		t.Fatalf("ReadAt(%d bytes, 0): %d, %v", len(got), n, err)
	}
	if string(got) == want {
		return
	}
	for i := range got {
		if got[i] != want[i] {
			t.Fatalf("byte %d of %d is %#x, want %#x", i, len(got), got[i], want[i])
		}
	}
}
