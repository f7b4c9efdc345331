package state

import (
	"encoding/hex"
	"os"
	"strings"
	"sync"

	"golang.org/x/sys/unix"
)

// statxMountUnique asks for a mount id that is never used again (kernel 6.8; STATX_MNT_ID_UNIQUE).
const statxMountUnique = 0x4000

// BootID returns the kernel's id of this boot, zeros when it cannot be had.
var BootID = sync.OnceValue(func() (id [16]byte) {
	b, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return id
	}
	raw, err := hex.DecodeString(strings.ReplaceAll(strings.TrimSpace(string(b)), "-", ""))
	if err == nil {
		copy(id[:], raw)
	}
	return id
})

// IDOf returns the id of the open file fd.
func IDOf(fd uintptr) (FileID, error) {
	var st unix.Statx_t
	err := unix.Statx(int(fd), "", unix.AT_EMPTY_PATH, unix.STATX_BASIC_STATS|unix.STATX_BTIME|statxMountUnique, &st)
	if err != nil {
		return FileID{}, err
	}
	return fromStatx(&st), nil
}

// IDOfPath returns the id of the file at path, without opening it.
func IDOfPath(path string) (FileID, error) {
	var st unix.Statx_t
	err := unix.Statx(unix.AT_FDCWD, path, 0, unix.STATX_BASIC_STATS|unix.STATX_BTIME|statxMountUnique, &st)
	if err != nil {
		return FileID{}, err
	}
	return fromStatx(&st), nil
}

func fromStatx(st *unix.Statx_t) FileID {
	id := FileID{Dev: unix.Mkdev(st.Dev_major, st.Dev_minor), Inode: st.Ino}
	if st.Mask&unix.STATX_BTIME != 0 {
		id.Birth = st.Btime.Sec*1e9 + int64(st.Btime.Nsec)
	}
	if st.Mask&statxMountUnique != 0 {
		id.Mount = st.Mnt_id
	}
	return id
}

// localFS are the file systems whose page cache is this machine's own, by statfs magic.
var localFS = map[int64]bool{
	unix.EXT4_SUPER_MAGIC: true, unix.XFS_SUPER_MAGIC: true, unix.BTRFS_SUPER_MAGIC: true,
	unix.TMPFS_MAGIC: true, unix.F2FS_SUPER_MAGIC: true, unix.OVERLAYFS_SUPER_MAGIC: true,
	0x2fc12fc1: true, // zfs
}

// IsLocal tells whether the file behind fd lies on a file system known to be local: there, locks
// hold between processes and shared mappings are shared.
func IsLocal(fd uintptr) bool {
	var st unix.Statfs_t
	if err := unix.Fstatfs(int(fd), &st); err != nil {
		return false
	}
	return localFS[int64(st.Type)]
}
