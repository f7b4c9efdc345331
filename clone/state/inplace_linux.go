package state

import (
	"os"

	"golang.org/x/sys/unix"
)

// fsNoCow is FS_NOCOW_FL of linux/fs.h.
const fsNoCow = 0x00800000

// overwriteInPlace asks the file system, where it would write each changed page to a new place, not
// to do that with f, which is empty. The map's pages then keep the room that was reserved for them:
// otherwise a store to one, on a disk that is full, is a SIGBUS. Others do not know the flag.
func overwriteInPlace(f *os.File) {
	flags, err := unix.IoctlGetUint32(int(f.Fd()), unix.FS_IOC_GETFLAGS)
	if err == nil {
		_ = unix.IoctlSetPointerInt(int(f.Fd()), unix.FS_IOC_SETFLAGS, int(flags|fsNoCow))
	}
}
