package s3test

import (
	"bytes"
	"errors"
	"io"
	"os"
)

// content is the bytes of one object or part. They never change.
type content interface {
	io.ReaderAt
	size() int64

	// stream returns a reader from off to the end. Files come as *os.File, which the kernel can send by itself.
	stream(off int64) (io.ReadCloser, error)
}

type bytesContent []byte

func (b bytesContent) size() int64 { return int64(len(b)) }

func (b bytesContent) ReadAt(p []byte, off int64) (int, error) {
	return bytes.NewReader(b).ReadAt(p, off)
}

func (b bytesContent) stream(off int64) (io.ReadCloser, error) {
	return io.NopCloser(bytes.NewReader(b[off:])), nil
}

// readerContent is an io.ReaderAt of a known size: the caller's own, or a part of another content.
type readerContent struct {
	io.ReaderAt
	n int64
}

func (c readerContent) size() int64 { return c.n }

func (c readerContent) stream(off int64) (io.ReadCloser, error) {
	return io.NopCloser(io.NewSectionReader(c.ReaderAt, off, c.n-off)), nil
}

// fileContent is a file. It keeps a descriptor, so a file that is unlinked or replaced goes on being served; a file
// that is written to is not noticed.
type fileContent struct {
	*os.File
	info os.FileInfo
}

func (c fileContent) size() int64 { return c.info.Size() }

// stream opens the file again, since the kernel sends from a descriptor's own position. If another file has the name
// now, the one descriptor there is is read through.
func (c fileContent) stream(off int64) (io.ReadCloser, error) {
	f, err := os.Open(c.Name())
	if err != nil {
		return readerContent{c.File, c.size()}.stream(off)
	}
	info, err := f.Stat()
	if err == nil && os.SameFile(info, c.info) {
		if _, err = f.Seek(off, io.SeekStart); err == nil {
			return f, nil
		}
	}
	_ = f.Close()
	return readerContent{c.File, c.size()}.stream(off)
}

// joined is several contents one after the other: a multipart object.
type joined struct {
	parts []content
	total int64
}

func join(parts []content) content {
	j := joined{parts: parts}
	for _, p := range parts {
		j.total += p.size()
	}
	return j
}

func (j joined) size() int64 { return j.total }

func (j joined) ReadAt(p []byte, off int64) (int, error) {
	read := 0
	for _, part := range j.parts {
		if off >= part.size() {
			off -= part.size()
			continue
		}
		n, err := part.ReadAt(p[read:min(int64(len(p)), int64(read)+part.size()-off)], off)
		read += n
		off = 0
		if err != nil && !errors.Is(err, io.EOF) {
			return read, err
		}
		if read == len(p) {
			return read, nil
		}
	}
	return read, io.EOF
}

func (j joined) stream(off int64) (io.ReadCloser, error) {
	return readerContent{j, j.total}.stream(off)
}

// flipped is a content with the lowest bit of some bytes turned over.
type flipped struct {
	of content
	at []int64
}

func (f flipped) size() int64 { return f.of.size() }

func (f flipped) ReadAt(p []byte, off int64) (int, error) {
	n, err := f.of.ReadAt(p, off)
	for _, at := range f.at {
		if at >= off && at < off+int64(n) {
			p[at-off] ^= 1
		}
	}
	return n, err
}

func (f flipped) stream(off int64) (io.ReadCloser, error) {
	return readerContent{f, f.size()}.stream(off)
}
