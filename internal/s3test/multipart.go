package s3test

import (
	"cmp"
	"crypto/md5"
	"encoding/hex"
	"encoding/xml"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

const maxParts = 10000

// uploads are the multipart uploads that are neither complete nor aborted.
type uploads struct {
	mu   sync.Mutex
	byID map[string]*upload
	last int
}

// upload is guarded by uploads.mu; what it holds from its creation on does not change.
type upload struct {
	id, bucket, key string
	initiated       time.Time
	headers         http.Header
	algorithm       string // of the checksums; "": the default
	composite       bool
	parts           map[int]*part
}

// part never changes; uploading a number again replaces it.
type part struct {
	number   int
	content  content
	md5      [md5.Size]byte
	checksum checksum
	modified time.Time
}

func (p *part) etag() string { return hex.EncodeToString(p.md5[:]) }

func newUploads() *uploads { return &uploads{byID: map[string]*upload{}} }

// begin registers u and gives it an id.
func (us *uploads) begin(u *upload) {
	us.mu.Lock()
	defer us.mu.Unlock()
	us.last++
	sum := md5.Sum(fmt.Appendf(nil, "%s/%s/%d", u.bucket, u.key, us.last))
	u.id = hex.EncodeToString(sum[:])
	us.byID[u.id] = u
}

// get is the upload of that id, if it is for that object.
func (us *uploads) get(id, bucket, key string) (*upload, error) {
	us.mu.Lock()
	defer us.mu.Unlock()
	if u := us.byID[id]; u != nil && u.bucket == bucket && u.key == key {
		return u, nil
	}
	return nil, noSuchUpload(id)
}

func noSuchUpload(id string) error {
	return fail(404, "NoSuchUpload", "The specified upload does not exist. The upload ID may be invalid, or the upload may have "+
		"been aborted or completed.").with("UploadId", id)
}

// end forgets the upload; false if another request was quicker.
func (us *uploads) end(id string) bool {
	us.mu.Lock()
	defer us.mu.Unlock()
	_, ok := us.byID[id]
	delete(us.byID, id)
	return ok
}

func (us *uploads) add(u *upload, p *part) {
	us.mu.Lock()
	defer us.mu.Unlock()
	u.parts[p.number] = p
}

// sorted is a copy of the parts, by number.
func (us *uploads) sorted(u *upload) []*part {
	us.mu.Lock()
	defer us.mu.Unlock()
	out := make([]*part, 0, len(u.parts))
	for _, p := range u.parts {
		out = append(out, p)
	}
	slices.SortFunc(out, func(a, b *part) int { return a.number - b.number })
	return out
}

func (c *call) upload() (*upload, error) {
	return c.s.uploads.get(c.q.Get("uploadId"), c.bucket, c.key)
}

type initiateResult struct {
	XMLName               xml.Name `xml:"http://s3.amazonaws.com/doc/2006-03-01/ InitiateMultipartUploadResult"`
	Bucket, Key, UploadId string
}

func (c *call) createMultipartUpload() error {
	if _, err := c.versioning(); err != nil {
		return err
	}
	headers, err := keptHeaders(c.r.Header)
	if err != nil {
		return err
	}
	h := c.r.Header
	u := &upload{
		bucket: c.bucket, key: c.key, initiated: c.s.opts.Now(), headers: headers, parts: map[int]*part{},
		algorithm: strings.ToUpper(h.Get("X-Amz-Checksum-Algorithm")),
	}
	if u.algorithm != "" && algorithms[u.algorithm] == nil {
		return fail(400, "InvalidRequest", "Checksum algorithm provided is unsupported.")
	}
	u.composite = compositeType(u.algorithm, h.Get("X-Amz-Checksum-Type"))
	c.s.uploads.begin(u)
	if u.algorithm != "" {
		c.w.Header().Set("X-Amz-Checksum-Algorithm", u.algorithm)
		c.w.Header().Set("X-Amz-Checksum-Type", checksum{composite: u.composite}.kind())
	}
	c.answerXML(200, initiateResult{Bucket: c.bucket, Key: c.key, UploadId: u.id})
	return nil
}

// compositeType says whether an upload's checksum is one of checksums: S3's default for all but CRC64NVME.
func compositeType(algorithm, declared string) bool {
	if algorithm == "" || algorithm == defaultAlgorithm {
		return false
	}
	return declared != "FULL_OBJECT"
}

func (c *call) uploadPart() error {
	u, number, err := c.partTarget()
	if err != nil {
		return err
	}
	b, err := c.readBody()
	if err != nil {
		return err
	}
	if u.algorithm != "" && u.algorithm != b.checksum.algorithm {
		return fail(400, "InvalidRequest", "Checksum Type mismatch occurred, expected checksum Type: %s, actual checksum Type: %s",
			strings.ToLower(u.algorithm), strings.ToLower(b.checksum.algorithm))
	}
	p := &part{number: number, content: b.data, md5: b.md5, checksum: b.checksum, modified: c.s.opts.Now()}
	c.s.uploads.add(u, p)
	c.w.Header().Set("ETag", `"`+p.etag()+`"`)
	p.checksum.setHeaders(c.w.Header())
	c.w.Header().Del("X-Amz-Checksum-Type")
	c.answerEmpty(http.StatusOK)
	return nil
}

// partTarget is the upload and the number of the part that is being uploaded.
func (c *call) partTarget() (*upload, int, error) {
	v := c.q.Get("partNumber")
	number, err := strconv.Atoi(v)
	if err != nil || number < 1 || number > maxParts {
		return nil, 0, invalidArgument("partNumber", v, "Part number must be an integer between 1 and %d, inclusive", maxParts)
	}
	u, err := c.upload()
	return u, number, err
}

// uploadPartCopy makes a part of (a range of) an object. The bytes are read for the ETag, but not copied.
func (c *call) uploadPartCopy() error {
	u, number, err := c.partTarget()
	if err != nil {
		return err
	}
	src, err := c.copySource()
	if err != nil {
		return err
	}
	off, n, err := copyRange(c.r.Header.Get("X-Amz-Copy-Source-Range"), src.content.size())
	if err != nil {
		return err
	}
	p := &part{number: number, modified: c.s.opts.Now()}
	p.content = readerContent{io.NewSectionReader(src.content, off, n), n}
	h := md5.New()
	if _, err := io.Copy(h, io.NewSectionReader(p.content, 0, n)); err != nil {
		return err
	}
	p.md5 = [md5.Size]byte(h.Sum(nil))
	if p.checksum, err = sumOf(cmp.Or(u.algorithm, defaultAlgorithm), p.content); err != nil {
		return err
	}
	c.s.uploads.add(u, p)
	c.answerXML(200, copyResult{
		XMLName: xml.Name{Space: xmlns, Local: "CopyPartResult"}, LastModified: xmlTime(p.modified), ETag: `"` + p.etag() + `"`,
	})
	return nil
}

// copyRange is stricter than Range: first and last must be given and lie within the source.
func copyRange(header string, size int64) (off, n int64, err error) {
	if header == "" {
		return 0, size, nil
	}
	r, ok := parseRange(header)
	if !ok || r.suffix >= 0 || r.last < 0 {
		return 0, 0, invalidArgument("x-amz-copy-source-range", header,
			"The x-amz-copy-source-range value must be of the form bytes=first-last where first and last are the zero-based offsets of the first and last bytes to copy")
	}
	if r.last >= size {
		return 0, 0, invalidArgument("x-amz-copy-source-range", header, "Range specified is not valid for source object of size: %d", size)
	}
	return r.first, r.last - r.first + 1, nil
}

func (c *call) abortMultipartUpload() error {
	u, err := c.upload()
	if err != nil {
		return err
	}
	c.s.uploads.end(u.id)
	c.answerEmpty(http.StatusNoContent)
	return nil
}
