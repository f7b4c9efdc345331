package s3test

import (
	"cmp"
	"crypto/md5"
	"encoding/hex"
	"encoding/xml"
	"fmt"
	"strconv"
	"strings"
)

type completeRequest struct {
	Part []struct {
		PartNumber int
		ETag       string
	}
}

type completeResult struct {
	XMLName                     xml.Name `xml:"http://s3.amazonaws.com/doc/2006-03-01/ CompleteMultipartUploadResult"`
	Location, Bucket, Key, ETag string
	Checksum                    []xmlField
	ChecksumType                string `xml:",omitempty"`
}

// xmlField is an element whose name depends on a value.
type xmlField struct {
	XMLName xml.Name
	Value   string `xml:",chardata"`
}

// completeMultipartUpload makes the object of the parts. A failed condition leaves the upload as it is.
func (c *call) completeMultipartUpload() error {
	cond, err := c.writeCondition()
	if err != nil {
		return err
	}
	u, err := c.upload()
	if err != nil {
		return err
	}
	var req completeRequest
	if err := c.readXML(&req); err != nil {
		return err
	}
	parts, err := c.chosenParts(u, req)
	if err != nil {
		return err
	}
	o, err := assemble(u, parts)
	if err != nil {
		return err
	}
	if want := c.r.Header.Get("X-Amz-Mp-Object-Size"); want != "" && want != strconv.FormatInt(o.content.size(), 10) {
		return fail(400, "InvalidRequest", "The provided 'x-amz-mp-object-size' header does not match what was computed.")
	}
	if want := checksumIn(c.r.Header); want.value != "" && (want.algorithm != o.checksum.algorithm || want.value != o.checksum.value) {
		return fail(400, "BadDigest", "The %s you specified did not match the calculated checksum.", want.algorithm)
	}
	if err := c.s.store.put(c.bucket, o, cond); err != nil {
		return err
	}
	c.s.uploads.end(u.id)
	if o.version != "" {
		c.w.Header().Set("X-Amz-Version-Id", o.version)
	}
	c.answerXML(200, completeResult{
		Location: "http://" + c.r.Host + c.r.URL.EscapedPath(), Bucket: c.bucket, Key: c.key, ETag: `"` + o.etag + `"`,
		Checksum:     []xmlField{{xml.Name{Local: "Checksum" + o.checksum.algorithm}, o.checksum.value}},
		ChecksumType: o.checksum.kind(),
	})
	return nil
}

// chosenParts are the parts the client lists, checked as S3 does: ascending, there, unchanged, big enough.
func (c *call) chosenParts(u *upload, req completeRequest) ([]*part, error) {
	have := map[int]*part{}
	for _, p := range c.s.uploads.sorted(u) {
		have[p.number] = p
	}
	if len(req.Part) == 0 {
		return nil, fail(400, "MalformedXML", "The XML you provided was not well-formed or did not validate against our published schema")
	}
	var out []*part
	for i, want := range req.Part {
		if i > 0 && want.PartNumber <= req.Part[i-1].PartNumber {
			return nil, fail(400, "InvalidPartOrder", "The list of parts was not in ascending order. Parts must be ordered by part number.").
				with("UploadId", u.id)
		}
		p := have[want.PartNumber]
		if p == nil || strings.Trim(want.ETag, `"`) != p.etag() {
			return nil, fail(400, "InvalidPart", "One or more of the specified parts could not be found. The part may not have been "+
				"uploaded, or the specified entity tag may not match the part's entity tag.").
				with("UploadId", u.id).with("PartNumber", strconv.Itoa(want.PartNumber)).with("ETag", want.ETag)
		}
		out = append(out, p)
	}
	for _, p := range out[:len(out)-1] {
		if p.content.size() < c.s.opts.MinPartSize {
			return nil, fail(400, "EntityTooSmall", "Your proposed upload is smaller than the minimum allowed size").
				with("ProposedSize", strconv.FormatInt(p.content.size(), 10)).
				with("MinSizeAllowed", strconv.FormatInt(c.s.opts.MinPartSize, 10)).with("PartNumber", strconv.Itoa(p.number))
		}
	}
	return out, nil
}

// assemble makes the object; nothing is copied. Its ETag is the MD5 of the parts' MD5s and their number.
func assemble(u *upload, parts []*part) (*object, error) {
	o := &object{key: u.key, headers: u.headers}
	var contents []content
	var sums []checksum
	h := md5.New()
	for _, p := range parts {
		contents, sums = append(contents, p.content), append(sums, p.checksum)
		h.Write(p.md5[:])
		o.parts = append(o.parts, p.content.size())
	}
	o.content = join(contents)
	o.etag = fmt.Sprintf("%s-%d", hex.EncodeToString(h.Sum(nil)), len(parts))
	algorithm := cmp.Or(u.algorithm, defaultAlgorithm)
	if u.composite {
		o.checksum = sumOfParts(algorithm, sums)
		return o, nil
	}
	var err error
	o.checksum, err = sumOf(algorithm, o.content)
	return o, err
}
