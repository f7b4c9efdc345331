//go:build e2e && linux

package e2e

import (
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"
	"unsafe"
)

// volume is a file system of its own, on a loop device, that can lose power.
type volume struct {
	dir   string // where it is mounted
	image string
}

// newVolume makes a file system of so many megabytes and mounts it.
func newVolume(t *testing.T, kind, megabytes string) *volume {
	t.Helper()
	if os.Geteuid() != 0 {
		t.Skip("mounting a file system needs root")
	}
	mkfs := map[string][]string{
		"ext4":  {"mkfs.ext4", "-q", "-F"},
		"xfs":   {"mkfs.xfs", "-q", "-f"},
		"btrfs": {"mkfs.btrfs", "-q", "-f"},
	}[kind]
	if _, err := exec.LookPath(mkfs[0]); err != nil {
		t.Skip(mkfs[0] + " is not installed")
	}
	base := t.TempDir()
	v := &volume{dir: filepath.Join(base, "mount"), image: filepath.Join(base, "image")}
	runScript(t, `mkdir "$1"; truncate -s "$3"M "$2"; shift 3; "$@"`, append([]string{v.dir, v.image, megabytes}, append(mkfs, v.image)...)...)
	if out, err := exec.Command("mount", "-o", "loop", v.image, v.dir).CombinedOutput(); err != nil {
		t.Skipf("no loop devices here: %v: %s", err, out)
	}
	t.Cleanup(func() {
		if out, err := exec.Command("umount", "-d", v.dir).CombinedOutput(); err != nil {
			t.Errorf("umount: %v: %s", err, out)
		}
	})
	return v
}

// losePower takes the file system from under whoever uses it: of what is not on the device yet,
// nothing will be. The journal's memory is not written either.
func (v *volume) losePower(t *testing.T) {
	t.Helper()
	d, err := os.Open(v.dir)
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	const shutdown = 0x8004587d // EXT4_IOC_SHUTDOWN, XFS_IOC_GOINGDOWN
	noFlush := uint32(2)
	if _, _, errno := syscall.Syscall(syscall.SYS_IOCTL, d.Fd(), shutdown, uintptr(unsafe.Pointer(&noFlush))); errno != 0 {
		t.Skipf("this kernel cannot shut the file system down: %v", errno)
	}
}

// comeBack mounts it again, when nobody uses it any more.
func (v *volume) comeBack(t *testing.T) {
	t.Helper()
	runScript(t, `umount -d "$1"; `+remount, v.dir, v.image)
}

// remount mounts image $2 at $1. Somebody's mount namespace may hold the mount of before; then what is
// mounted again is the dead file system, and a copy of the image is another one.
const remount = `mount -o loop "$2" "$1"
if ! touch "$1"/alive 2>/dev/null; then
	umount -d "$1"; cp --sparse=always "$2" "$2".copy; mv "$2".copy "$2"; mount -o loop "$2" "$1"; touch "$1"/alive
fi
rm "$1"/alive
`

// comeBackTwice mounts it again, and a copy of all that was on the device in another folder, for
// looking at it without a trace.
func (v *volume) comeBackTwice(t *testing.T) (twin string) {
	t.Helper()
	twin = v.dir + "-twin"
	runScript(t, `umount -d "$1"; cp --sparse=always "$2" "$2".twin; `+remount+`mkdir -p "$3"; mount -o loop "$2".twin "$3"`, v.dir, v.image, twin)
	t.Cleanup(func() { _ = exec.Command("umount", "-d", "-q", twin).Run() })
	return twin
}
