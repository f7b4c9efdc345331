package s3test

import (
	"net/http"
	"strings"
)

// kept are the headers of a PUT, beside X-Amz-Meta-*, that a GET gives back.
var kept = []string{
	"Cache-Control", "Content-Disposition", "Content-Encoding", "Content-Language", "Content-Type", "Expires",
}

// putObject answers PUT. The condition is judged after the body has been read, together with the write.
func (c *call) putObject() error {
	cond, err := c.writeCondition()
	if err != nil {
		return err
	}
	b, err := c.readBody()
	if err != nil {
		return err
	}
	headers, err := keptHeaders(c.r.Header)
	if err != nil {
		return err
	}
	o := &object{key: c.key, content: b.data, etag: b.etag(), headers: headers, checksum: b.checksum}
	if err := c.s.store.put(c.bucket, o, cond); err != nil {
		return err
	}
	c.answerWritten(o)
	return nil
}

// answerWritten tells what a PUT has made.
func (c *call) answerWritten(o *object) {
	h := c.w.Header()
	h.Set("ETag", `"`+o.etag+`"`)
	o.checksum.setHeaders(h)
	if o.version != "" {
		h.Set("X-Amz-Version-Id", o.version)
	}
	c.answerEmpty(http.StatusOK)
}

func (c *call) answerEmpty(status int) {
	if status != http.StatusNoContent {
		c.w.Header().Set("Content-Length", "0")
	}
	c.writeHeader(status)
}

// keptHeaders are those of h that belong to the object. The transfer's own aws-chunked does not.
func keptHeaders(h http.Header) (http.Header, error) {
	out := http.Header{}
	for _, name := range kept {
		if v := h.Get(name); v != "" {
			out.Set(name, v)
		}
	}
	var encodings []string
	for e := range strings.SplitSeq(out.Get("Content-Encoding"), ",") {
		if e = strings.TrimSpace(e); e != "" && e != "aws-chunked" {
			encodings = append(encodings, e)
		}
	}
	out.Set("Content-Encoding", strings.Join(encodings, ","))
	if len(encodings) == 0 {
		out.Del("Content-Encoding")
	}
	if out.Get("Content-Type") == "" {
		out.Set("Content-Type", defaultType)
	}
	size := 0
	for name, values := range h {
		if meta, ok := strings.CutPrefix(name, "X-Amz-Meta-"); ok {
			out[name] = []string{strings.Join(values, ",")}
			size += len(meta) + len(out[name][0])
		}
	}
	if size > 2048 {
		return nil, fail(400, "MetadataTooLarge", "Your metadata headers exceed the maximum allowed metadata size")
	}
	return out, nil
}
