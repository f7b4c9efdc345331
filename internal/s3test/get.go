package s3test

import (
	"bytes"
	"compress/gzip"
	"fmt"
	"io"
	"net/http"
	"strconv"
)

const defaultType = "binary/octet-stream"

// overrides are the response headers a signed GET may choose.
var overrides = map[string]string{
	"response-content-type":        "Content-Type",
	"response-content-language":    "Content-Language",
	"response-expires":             "Expires",
	"response-cache-control":       "Cache-Control",
	"response-content-disposition": "Content-Disposition",
	"response-content-encoding":    "Content-Encoding",
}

// getObject answers GET and HEAD.
func (c *call) getObject() error {
	o, err := c.s.store.get(c.bucket, c.key, c.q.Get("versionId"))
	if err != nil {
		return err
	}
	c.describe(o)
	if !c.plan.naive {
		if err := checkRead(c.r.Header, o); err != nil {
			return err
		}
	}
	off, n, partial, err := c.slice(o)
	if err != nil {
		return err
	}
	for name, header := range overrides {
		if v := c.q.Get(name); v != "" {
			c.w.Header().Set(header, v)
		}
	}
	return c.answerBody(o, off, n, partial)
}

// describe sets the headers that tell about o, also on 304 and 412.
func (c *call) describe(o *object) {
	h := c.w.Header()
	for name, values := range o.headers {
		h[name] = values
	}
	h.Set("ETag", `"`+o.etag+`"`)
	h.Set("Last-Modified", o.modified.Format(http.TimeFormat))
	h.Set("Accept-Ranges", "bytes")
	if o.version != "" {
		h.Set("X-Amz-Version-Id", o.version)
	}
	if len(o.parts) > 0 && c.q.Has("partNumber") {
		h.Set("X-Amz-Mp-Parts-Count", strconv.Itoa(len(o.parts)))
	}
}

// slice is the part of o that is asked for: by Range, by part number, or all of it.
func (c *call) slice(o *object) (off, n int64, partial bool, err error) {
	size := o.content.size()
	header := c.r.Header.Get("Range")
	if c.q.Has("partNumber") {
		if header != "" {
			return 0, 0, false, fail(400, "InvalidRequest", "Cannot specify both Range header and partNumber query parameter")
		}
		off, n, err = o.part(c.q.Get("partNumber"))
		return off, n, true, err
	}
	r, ok := parseRange(header)
	if !ok || c.plan.whole {
		return 0, size, false, nil
	}
	if off, n, ok = r.of(size); !ok {
		c.w.Header().Set("Content-Range", fmt.Sprintf("bytes */%d", size))
		return 0, 0, false, fail(416, "InvalidRange", "The requested range is not satisfiable").
			with("RangeRequested", header).with("ActualObjectSize", strconv.FormatInt(size, 10))
	}
	return off, n, true, nil
}

func (o *object) part(number string) (off, n int64, err error) {
	sizes := o.parts
	if len(sizes) == 0 {
		sizes = []int64{o.content.size()}
	}
	i, err := strconv.Atoi(number)
	if err != nil || i < 1 || i > maxParts {
		return 0, 0, invalidArgument("partNumber", number, "Part number must be an integer between 1 and %d, inclusive", maxParts)
	}
	if i > len(sizes) {
		return 0, 0, fail(416, "InvalidPartNumber", "The requested partnumber is not satisfiable")
	}
	for _, s := range sizes[:i-1] {
		off += s
	}
	return off, sizes[i-1], nil
}

// answerBody sends content[off, off+n) of o, in the shape the fault plan gives it.
func (c *call) answerBody(o *object, off, n int64, partial bool) error {
	c.s.stats.serves(c.access, off, n)
	h, p := c.w.Header(), &c.plan
	status := http.StatusOK
	if partial && n > 0 {
		status = http.StatusPartialContent
		h.Set("Content-Range", fmt.Sprintf("bytes %d-%d/%d", off+p.shift, off+n-1+p.shift, o.content.size()+p.total))
	} else if c.r.Header.Get("X-Amz-Checksum-Mode") == "ENABLED" {
		o.checksum.setHeaders(h)
	}
	src := o.content
	if len(p.flips) > 0 {
		src = flipped{src, p.flips}
	}
	n = max(0, n-p.short)
	if p.long > 0 {
		src, n = join([]content{src, make(bytesContent, p.long)}), n+p.long
	}
	if p.gzip {
		packed, err := pack(src, off, n)
		if err != nil {
			return err
		}
		h.Set("Content-Encoding", "gzip")
		src, off, n = packed, 0, packed.size()
	}
	if !p.undeclared {
		h.Set("Content-Length", strconv.FormatInt(n, 10))
	}
	c.writeHeader(status)
	if p.undeclared {
		c.w.Flush() // or a short one would be counted, and declared after all
	}
	if c.r.Method != http.MethodHead {
		c.send(src, off, n)
	}
	return nil
}

func pack(src content, off, n int64) (content, error) {
	var out bytes.Buffer
	z := gzip.NewWriter(&out)
	if _, err := io.Copy(z, io.NewSectionReader(src, off, n)); err != nil {
		return nil, err
	}
	if err := z.Close(); err != nil {
		return nil, err
	}
	return bytesContent(out.Bytes()), nil
}
