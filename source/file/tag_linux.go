package file

import (
	"fmt"
	"io/fs"
	"syscall"
)

func tag(fi fs.FileInfo) string {
	st := fi.Sys().(*syscall.Stat_t)
	return fmt.Sprintf("ino=%d mtime=%d.%09d ctime=%d.%09d",
		st.Ino, st.Mtim.Sec, st.Mtim.Nsec, st.Ctim.Sec, st.Ctim.Nsec)
}
