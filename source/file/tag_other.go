//go:build !linux

package file

import (
	"fmt"
	"io/fs"
)

// tag has only the time of the last change to the content. That the inode is the same is known
// while the file is open.
func tag(fi fs.FileInfo) string {
	return fmt.Sprintf("mtime=%d.%09d", fi.ModTime().Unix(), fi.ModTime().Nanosecond())
}
