package dest

import (
	"io/fs"
	"path/filepath"
	"syscall"
	"time"
)

// Stat is fstat(2). Sys of what it returns is a *syscall.Stat_t, as that of package os is; but
// os.SameFile knows only its own kind and would say false, so compare Dev and Ino.
func (f *file) Stat() (fs.FileInfo, error) {
	info := &fileInfo{name: filepath.Base(f.path)}
	err := f.use("stat", func(fd int) error { return syscall.Fstat(fd, &info.st) })
	if err != nil {
		return nil, err
	}
	return info, nil
}

type fileInfo struct {
	name string
	st   syscall.Stat_t
}

func (i *fileInfo) Name() string       { return i.name }
func (i *fileInfo) Size() int64        { return i.st.Size }
func (i *fileInfo) ModTime() time.Time { return time.Unix(i.st.Mtim.Unix()) }
func (i *fileInfo) IsDir() bool        { return i.Mode().IsDir() }
func (i *fileInfo) Sys() any           { return &i.st }

func (i *fileInfo) Mode() fs.FileMode {
	mode := fs.FileMode(i.st.Mode).Perm()
	switch i.st.Mode & syscall.S_IFMT {
	case syscall.S_IFREG:
	case syscall.S_IFDIR:
		mode |= fs.ModeDir
	case syscall.S_IFIFO:
		mode |= fs.ModeNamedPipe
	case syscall.S_IFSOCK:
		mode |= fs.ModeSocket
	case syscall.S_IFBLK:
		mode |= fs.ModeDevice
	case syscall.S_IFCHR:
		mode |= fs.ModeDevice | fs.ModeCharDevice
	default:
		mode |= fs.ModeIrregular
	}
	return mode
}

// inode names a file for as long as somebody has it open.
type inode struct{ dev, ino uint64 }

// inodeOf takes what package os or this one says about a file.
func inodeOf(info fs.FileInfo) inode {
	st := info.Sys().(*syscall.Stat_t)
	return inode{uint64(st.Dev), st.Ino}
}
