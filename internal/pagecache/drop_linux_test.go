package pagecache

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/sys/unix"
)

// What was dropped is not in memory, and is read from the disk as it was synced; while somebody has
// it mapped, that it could not be dropped is said.
func TestDrop(t *testing.T) {
	path := filepath.Join(t.TempDir(), "file")
	want := bytes.Repeat([]byte("hydrant."), 64<<10)
	if err := os.WriteFile(path, want, 0o644); err != nil {
		t.Fatal(err)
	}
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var st unix.Statfs_t
	var stat unix.Cachestat_t
	if err := unix.Fstatfs(int(f.Fd()), &st); err != nil {
		t.Fatal(err)
	}
	if st.Type == unix.TMPFS_MAGIC || unix.Cachestat(uint(f.Fd()), &unix.CachestatRange{}, &stat, 0) != nil {
		t.Skip("here it cannot be told what is in memory")
	}
	if cached(f.Fd()) == 0 {
		t.Fatal("nothing is held: the test shows nothing")
	}
	if err := f.Sync(); err != nil {
		t.Fatal(err)
	}
	b, err := unix.Mmap(int(f.Fd()), 0, len(want), unix.PROT_READ, unix.MAP_SHARED)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(b, want) {
		t.Fatal("mapped: other bytes")
	}
	if err := Drop(f.Fd()); err == nil {
		t.Error("dropped while it is mapped")
	}
	if err := unix.Munmap(b); err != nil {
		t.Fatal(err)
	}
	if err := Drop(f.Fd()); err != nil {
		t.Error(err)
	}
	if n := cached(f.Fd()); n != 0 {
		t.Errorf("%d pages are held", n)
	}
	if got, err := os.ReadFile(path); err != nil || !bytes.Equal(got, want) {
		t.Errorf("read again: %v", err)
	}
}
