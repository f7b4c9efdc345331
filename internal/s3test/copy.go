package s3test

import (
	"encoding/xml"
	"net/http"
	"net/url"
	"strings"
	"time"
)

type copyResult struct {
	XMLName      xml.Name
	LastModified string
	ETag         string
}

// copyObject answers PUT with X-Amz-Copy-Source. Nothing is read: the copy has the source's content and ETag.
func (c *call) copyObject() error {
	cond, err := c.writeCondition()
	if err != nil {
		return err
	}
	src, err := c.copySource()
	if err != nil {
		return err
	}
	o := &object{
		key: c.key, content: src.content, etag: src.etag, headers: src.headers, checksum: src.checksum, parts: src.parts,
	}
	replace := c.r.Header.Get("X-Amz-Metadata-Directive") == "REPLACE"
	if replace {
		if o.headers, err = keptHeaders(c.r.Header); err != nil {
			return err
		}
	}
	if bucket, key, _, _ := sourceName(c.r.Header); bucket == c.bucket && key == c.key && !replace {
		return fail(400, "InvalidRequest", "This copy request is illegal because it is trying to copy an object to itself "+
			"without changing the object's metadata, storage class, website redirect location or encryption attributes.")
	}
	if err := c.s.store.put(c.bucket, o, cond); err != nil {
		return err
	}
	if o.version != "" {
		c.w.Header().Set("X-Amz-Version-Id", o.version)
	}
	c.answerXML(200, copyResult{
		XMLName: xml.Name{Space: xmlns, Local: "CopyObjectResult"}, LastModified: xmlTime(o.modified), ETag: `"` + o.etag + `"`,
	})
	return nil
}

// copySource finds the object to copy and judges the conditions on it.
func (c *call) copySource() (*object, error) {
	bucket, key, version, err := sourceName(c.r.Header)
	if err != nil {
		return nil, err
	}
	o, err := c.s.store.get(bucket, key, version)
	if err != nil {
		return nil, err
	}
	conditions := http.Header{}
	for _, name := range []string{"If-Match", "If-None-Match", "If-Modified-Since", "If-Unmodified-Since"} {
		conditions.Set(name, c.r.Header.Get("X-Amz-Copy-Source-"+name))
	}
	if c.plan.naive {
		return o, nil
	}
	switch err := checkRead(conditions, o); err {
	case nil:
		return o, nil
	case errNotModified:
		return nil, preconditionFailed("x-amz-copy-source-If-None-Match")
	default:
		return nil, err
	}
}

func sourceName(h http.Header) (bucket, key, version string, err error) {
	name, query, _ := strings.Cut(h.Get("X-Amz-Copy-Source"), "?")
	if v, ok := strings.CutPrefix(query, "versionId="); ok {
		version = v
	}
	name, err = url.PathUnescape(name)
	bucket, key, ok := strings.Cut(strings.TrimPrefix(name, "/"), "/")
	if err != nil || !ok || key == "" {
		return "", "", "", invalidArgument("x-amz-copy-source", name, "Copy Source must mention the source bucket and key: sourcebucket/sourcekey")
	}
	return bucket, key, version, nil
}

func xmlTime(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000Z") }
