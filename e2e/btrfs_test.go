//go:build e2e && linux

package e2e

import (
	"context"
	"errors"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"hydrant/clone"
	"hydrant/source/file"
)

// btrfs mounts one of size bytes; 160 MiB is about the smallest there is.
func btrfs(t *testing.T, size int64) string {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("mounting a file system needs root")
	}
	if _, err := exec.LookPath("mkfs.btrfs"); err != nil {
		t.Skip("no mkfs.btrfs")
	}
	image, dir := filepath.Join(t.TempDir(), "image"), t.TempDir()
	if err := os.WriteFile(image, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(image, size); err != nil {
		t.Fatal(err)
	}
	for _, cmd := range [][]string{{"mkfs.btrfs", "-q", image}, {"mount", "-o", "loop", image, dir}} {
		if out, err := exec.Command(cmd[0], cmd[1:]...).CombinedOutput(); err != nil {
			t.Skipf("%v: %v: %s", cmd, err, out)
		}
	}
	t.Cleanup(func() { syscall.Unmount(dir, syscall.MNT_DETACH) })
	return dir
}

// On a file system that writes every page to a new place, a store to the map of a full disk is a
// SIGBUS. The state file is exempt from that; and hydration on a disk that fills up ends nobody.
func TestFullBtrfs(t *testing.T) {
	dir := btrfs(t, 160<<20)
	blob := filepath.Join(t.TempDir(), "blob")
	content := make([]byte, 24<<20)
	rand.NewChaCha8([32]byte{3}).Read(content)
	if err := os.WriteFile(blob, content, 0o644); err != nil {
		t.Fatal(err)
	}
	src, err := file.Open(blob)
	if err != nil {
		t.Fatal(err)
	}
	ctx := context.Background()
	dst := filepath.Join(dir, "blob.bin")
	c, err := clone.OpenPath(ctx, src, dst, &clone.Options{NoBackground: true, Keep: true, RegionSize: 512})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	f, err := os.Open(dst + "-hydrant")
	if err != nil {
		t.Fatal(err)
	}
	flags, err := unix.IoctlGetUint32(int(f.Fd()), unix.FS_IOC_GETFLAGS)
	f.Close()
	if err != nil || flags&0x00800000 == 0 {
		t.Errorf("the state file is written to new places: flags %#x, %v", flags, err)
	}
	// Everything is on the disk once, so that what follows would need new places.
	if err := c.Sync(ctx); err != nil {
		t.Fatal(err)
	}
	syscall.Sync()
	filler, err := os.Create(filepath.Join(dir, "filler"))
	if err != nil {
		t.Fatal(err)
	}
	for chunk := 1 << 20; chunk >= 4096; chunk /= 4 {
		for err = nil; err == nil; {
			_, err = filler.Write(content[:chunk])
		}
		if !errors.Is(err, syscall.ENOSPC) {
			t.Fatal(err)
		}
		filler.Sync()
	}
	filler.Close()
	syscall.Sync()
	p := make([]byte, 100_000)
	for off := int64(0); off+int64(len(p)) < int64(len(content)); off += 1 << 20 {
		if _, err := c.ReadAt(ctx, p, off); err != nil {
			t.Fatalf("read at %d: %v", off, err)
		}
		if string(p) != string(content[off:off+int64(len(p))]) {
			t.Fatalf("wrong bytes at %d", off)
		}
		if off%(4<<20) == 0 {
			// Refused, or done: both are fine.
			if n, err := c.WriteAt(ctx, content[:4096], off+500_000); err == nil {
				copy(content[off+500_000:], content[:n])
			}
			syscall.Sync()
		}
	}
	if s := c.Status(); s.Mode == "failed" || strings.Contains(s.Error, "shared memory") {
		t.Errorf("status: %+v", s)
	}
	if err := os.Remove(filepath.Join(dir, "filler")); err != nil {
		t.Fatal(err)
	}
}

// A file on the same file system is hydrated by sharing its blocks: the disk is not any fuller after,
// and what is written to one of the two is not in the other.
func TestSharedBlocks(t *testing.T) {
	const size = 100 << 20
	dir := btrfs(t, 600<<20)
	blob := filepath.Join(dir, "blob")
	content := make([]byte, size)
	rand.NewChaCha8([32]byte{4}).Read(content)
	if err := os.WriteFile(blob, content, 0o644); err != nil {
		t.Fatal(err)
	}
	free := func() int64 {
		var st unix.Statfs_t
		unix.Sync()
		if err := unix.Statfs(dir, &st); err != nil {
			t.Fatal(err)
		}
		return int64(st.Bavail) * st.Bsize
	}
	before := free()
	src, err := file.Open(blob)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 5*time.Minute)
	defer cancel()
	dst := filepath.Join(dir, "copy")
	c, err := clone.OpenPath(ctx, src, dst, nil)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.WriteAt(ctx, []byte("mine"), size/2+17); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(c.Wait(ctx), c.Close()); err != nil {
		t.Fatal(err)
	}
	took := before - free()
	t.Logf("%d MiB more are taken after a clone of %d", took>>20, size>>20)
	if took > size/4 {
		t.Errorf("%d bytes of the disk went for a copy of %d", took, size)
	}
	for name, want := range map[string]string{blob: string(content), dst: string(content[:size/2+17]) + "mine" + string(content[size/2+21:])} {
		if got, err := os.ReadFile(name); err != nil || string(got) != want {
			t.Errorf("%s has other bytes: %v", name, err)
		}
	}
}
