package s3test

import (
	"crypto/md5"
	"encoding/hex"
	"fmt"
	"io"
	"net/http"
	"os"
)

// CreateBucket makes a bucket; one that exists is left as it is.
func (s *Server) CreateBucket(bucket string) { s.store.create(bucket) }

// Put stores data, which must not be changed afterwards, and returns the ETag without quotes. The bucket is made if
// need be, as by all methods that store; conditions and faults do not apply.
func (s *Server) Put(bucket, key string, data []byte) (etag string) {
	sum := md5.Sum(data)
	etag = hex.EncodeToString(sum[:])
	s.store.set(bucket, key, bytesContent(data), etag)
	return etag
}

// PutFile makes the file at path an object without reading it, so a sparse file of 100 GiB costs nothing. It must
// not be written to until the object is replaced; unlinking it or renaming another over it does not matter. The ETag
// names file and time of change and looks like that of a multipart upload, since it is not the content's MD5.
func (s *Server) PutFile(bucket, key, path string) (etag string, err error) {
	f, err := os.Open(path)
	if err != nil {
		return "", fmt.Errorf("s3test: put file: %w", err)
	}
	info, err := f.Stat()
	if err != nil {
		_ = f.Close()
		return "", fmt.Errorf("s3test: put file: %w", err)
	}
	sum := md5.Sum(fmt.Appendf(nil, "%s\n%d\n%d", path, info.Size(), info.ModTime().UnixNano()))
	etag = hex.EncodeToString(sum[:]) + "-1"

	s.store.mu.Lock()
	s.store.files = append(s.store.files, f)
	s.store.mu.Unlock()
	s.store.set(bucket, key, fileContent{f, info}, etag)
	return etag, nil
}

// PutReaderAt makes size bytes of r an object, with that ETag (without quotes). r is read by many goroutines at once
// and must not change until the object is replaced, and then for as long as requests for it last.
func (s *Server) PutReaderAt(bucket, key string, r io.ReaderAt, size int64, etag string) {
	s.store.set(bucket, key, readerContent{r, size}, etag)
}

func (st *store) set(bucket, key string, c content, etag string) {
	st.create(bucket)
	o := &object{key: key, content: c, etag: etag, headers: http.Header{"Content-Type": {defaultType}}}
	if _, ok := c.(bytesContent); ok { // files and readers are not read for it, however long they are
		o.checksum, _ = sumOf(defaultAlgorithm, c)
	}
	st.mu.Lock()
	defer st.mu.Unlock()
	st.addLocked(st.buckets[bucket], o)
}

// Get returns the object's bytes; false if there is none. It is for small objects.
func (s *Server) Get(bucket, key string) ([]byte, bool) {
	o, err := s.store.get(bucket, key, "")
	if err != nil {
		return nil, false
	}
	data := make([]byte, o.content.size())
	if _, err := io.ReadFull(io.NewSectionReader(o.content, 0, o.content.size()), data); err != nil {
		return nil, false
	}
	return data, true
}

// ETag returns the object's ETag without quotes; "" if there is none.
func (s *Server) ETag(bucket, key string) string {
	o, err := s.store.get(bucket, key, "")
	if err != nil {
		return ""
	}
	return o.etag
}

// Delete removes the object, if there is one.
func (s *Server) Delete(bucket, key string) {
	_, _ = s.store.remove(bucket, key, "", writeCondition{})
}

// Keys are the keys of the bucket that begin with prefix, in order.
func (s *Server) Keys(bucket, prefix string) []string {
	s.store.mu.Lock()
	defer s.store.mu.Unlock()
	b := s.store.buckets[bucket]
	if b == nil {
		return nil
	}
	var out []string
	for o := range b.from(prefix, "") {
		out = append(out, o.key)
	}
	return out
}

// SetVersioning makes the bucket, if need be, and keeps all versions of its objects from now on.
func (s *Server) SetVersioning(bucket string) {
	s.store.create(bucket)
	s.store.mu.Lock()
	defer s.store.mu.Unlock()
	s.store.buckets[bucket].versioning = "Enabled"
}
