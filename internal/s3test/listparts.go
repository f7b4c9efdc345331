package s3test

import (
	"cmp"
	"encoding/xml"
	"slices"
	"strconv"
	"strings"
)

type listedPart struct {
	PartNumber   int
	LastModified string
	ETag         string
	Size         int64
}

type partsResult struct {
	XMLName               xml.Name `xml:"http://s3.amazonaws.com/doc/2006-03-01/ ListPartsResult"`
	Bucket, Key, UploadId string
	PartNumberMarker      int
	NextPartNumberMarker  int `xml:",omitempty"`
	MaxParts              int
	IsTruncated           bool
	Part                  []listedPart
}

func (c *call) listParts() error {
	u, err := c.upload()
	if err != nil {
		return err
	}
	limit, err := c.limit("max-parts")
	if err != nil {
		return err
	}
	marker, _ := strconv.Atoi(c.q.Get("part-number-marker"))
	res := partsResult{Bucket: u.bucket, Key: u.key, UploadId: u.id, PartNumberMarker: marker, MaxParts: limit}
	for _, p := range c.s.uploads.sorted(u) {
		if p.number <= marker {
			continue
		}
		if len(res.Part) == limit {
			res.IsTruncated = true
			break
		}
		res.Part = append(res.Part, listedPart{p.number, xmlTime(p.modified), `"` + p.etag() + `"`, p.content.size()})
		res.NextPartNumberMarker = p.number
	}
	c.answerXML(200, res)
	return nil
}

type listedUpload struct{ Key, UploadId, Initiated string }

type uploadsResult struct {
	XMLName     xml.Name `xml:"http://s3.amazonaws.com/doc/2006-03-01/ ListMultipartUploadsResult"`
	Bucket      string
	Prefix      string
	MaxUploads  int
	IsTruncated bool
	Upload      []listedUpload
}

// listMultipartUploads answers with everything in one page.
func (c *call) listMultipartUploads() error {
	if _, err := c.versioning(); err != nil {
		return err
	}
	prefix := c.q.Get("prefix")
	res := uploadsResult{Bucket: c.bucket, Prefix: c.encode(prefix), MaxUploads: maxKeys}
	us := c.s.uploads
	us.mu.Lock()
	for _, u := range us.byID {
		if u.bucket == c.bucket && strings.HasPrefix(u.key, prefix) {
			res.Upload = append(res.Upload, listedUpload{c.encode(u.key), u.id, xmlTime(u.initiated)})
		}
	}
	us.mu.Unlock()
	slices.SortFunc(res.Upload, func(a, b listedUpload) int {
		return cmp.Or(cmp.Compare(a.Key, b.Key), cmp.Compare(a.UploadId, b.UploadId))
	})
	c.answerXML(200, res)
	return nil
}
