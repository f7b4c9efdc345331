package dest

import (
	"bytes"
	"errors"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

func empty(Dest) error { return nil }

func TestOpenRefuses(t *testing.T) {
	dir := t.TempDir()
	pipe := filepath.Join(dir, "pipe")
	if err := unix.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	socket := filepath.Join(dir, "socket")
	l, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	link := filepath.Join(dir, "link")
	if err := os.Symlink(dir, link); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]string{
		dir:         "is a directory, not a regular file",
		link:        "is a directory, not a regular file",
		pipe:        "is a named pipe, not a regular file",
		socket:      "is a socket, not a regular file",
		"/dev/null": "is a device, not a regular file",
	} {
		d, err := File(path).Open()
		if !errors.Is(err, ErrNotRegular) {
			t.Errorf("Open %s: %v, %v", path, d, err)
			continue
		}
		if got := err.Error(); got != "open "+path+": "+want || strings.Contains(got, "\n") {
			t.Errorf("Open %s says %q", path, got)
		}
		if err := File(path).Create(empty); !errors.Is(err, fs.ErrExist) {
			t.Errorf("Create %s: %v, want fs.ErrExist", path, err)
		}
	}
	if err := File(filepath.Join(dir, "none", "dest")).Create(empty); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("Create in no directory: %v, want fs.ErrNotExist", err)
	}
}

func TestMode(t *testing.T) {
	old := unix.Umask(0o027)
	defer unix.Umask(old)
	dir := t.TempDir()
	for name, c := range map[string]struct {
		target func(path string) Target
		want   fs.FileMode
	}{
		"default": {File, 0o640},
		"given":   {func(path string) Target { return FileMode(path, 0o666) }, 0o666},
	} {
		path := filepath.Join(dir, name)
		if err := c.target(path).Create(empty); err != nil {
			t.Fatal(err)
		}
		d := mustOpen(t, path)
		stater, _ := As[Stater](d)
		info, err := stater.Stat()
		if err != nil || info.Mode() != c.want {
			t.Errorf("%s: mode %v, %v, want %v", name, info.Mode(), err, c.want)
		}
		mustClose(t, d)
	}
}

// TestStat compares our own FileInfo with that of package os.
func TestStat(t *testing.T) {
	path, _ := newFile(t)
	d := mustOpen(t, path)
	defer mustClose(t, d)
	stater, _ := As[Stater](d)
	got, err := stater.Stat()
	if err != nil {
		t.Fatal(err)
	}
	want, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if got.Name() != want.Name() || got.Mode() != want.Mode() || !got.ModTime().Equal(want.ModTime()) ||
		inodeOf(got) != inodeOf(want) || got.IsDir() {
		t.Errorf("got %v, want %v", got, want)
	}
}

// TestSparse checks that holes and punched ranges take no room.
func TestSparse(t *testing.T) {
	const size = 64 << 20
	path, _ := newFile(t)
	d := mustOpen(t, path)
	defer mustClose(t, d)
	if err := d.Truncate(size); err != nil {
		t.Fatal(err)
	}
	if _, err := d.WriteAt(bytes.Repeat([]byte{1}, 1<<20), size/2); err != nil {
		t.Fatal(err)
	}
	full := blocks(t, path)
	if full*512 > size/4 {
		t.Skipf("%d bytes are allocated: the file system has no holes", full*512)
	}
	puncher, _ := As[Puncher](d)
	if err := puncher.Punch(size/2, 1<<20); errors.Is(err, errors.ErrUnsupported) {
		t.Skip(err)
	} else if err != nil {
		t.Fatal(err)
	}
	if left := blocks(t, path); left >= full {
		t.Errorf("%d blocks before and %d after Punch", full, left)
	}
}

func blocks(t *testing.T, path string) int64 {
	t.Helper()
	var st unix.Stat_t
	if err := unix.Stat(path, &st); err != nil {
		t.Fatal(err)
	}
	return st.Blocks
}

// TestErrors checks that the kernel's errors can be told through ours.
func TestErrors(t *testing.T) {
	path, _ := newFile(t)
	d := mustOpen(t, path)
	_, err := d.ReadAt(make([]byte, 1), -1)
	if want := "read " + path + ": invalid argument"; err == nil || err.Error() != want || !errors.Is(err, unix.EINVAL) {
		t.Errorf("got %v, want %s", err, want)
	}
	mustClose(t, d)
	if err := d.Sync(); !errors.Is(err, fs.ErrClosed) {
		t.Errorf("Sync after Close: %v, want fs.ErrClosed", err)
	}
	stater, _ := As[Stater](d)
	if fd := stater.Fd(); fd != ^uintptr(0) {
		t.Errorf("Fd after Close is %d", fd)
	}
}

// TestLostWriteFailsSync plays a kernel that has told AwaitWrite of lost data.
func TestLostWriteFailsSync(t *testing.T) {
	path, _ := newFile(t)
	d := mustOpen(t, path)
	defer mustClose(t, d)
	lost := pathError("await write-back", path, unix.EIO)
	d.(*file).lost.Store(&lost)
	for range 2 {
		if err := d.Sync(); !errors.Is(err, unix.EIO) {
			t.Errorf("Sync: %v, want EIO", err)
		}
	}
}
