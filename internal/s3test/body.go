package s3test

import (
	"bufio"
	"bytes"
	"crypto/md5"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/xml"
	"errors"
	"io"
	"maps"
	"net/http"
	"strconv"
	"strings"
)

const (
	maxPut          = 5 << 30 // S3's limit for one PUT
	unsignedPayload = "UNSIGNED-PAYLOAD"
)

// body is a request body, whole and verified.
type body struct {
	data     bytesContent
	md5      [md5.Size]byte
	checksum checksum
}

func (b *body) etag() string { return hex.EncodeToString(b.md5[:]) }

// readBody reads all of it and checks everything the client declares: length, Content-MD5, the signed SHA-256 or the
// chunks' signatures, checksums in headers or trailers.
func (c *call) readBody() (*body, error) {
	h := maps.Clone(c.r.Header)
	payload := h.Get("X-Amz-Content-Sha256")
	src := io.Reader(&slowReader{c, c.r.Body})

	var b body
	var err error
	if strings.HasPrefix(payload, "STREAMING-") {
		b.data, err = c.readChunked(bufio.NewReader(src), payload, h)
	} else {
		b.data, err = readPlain(src, c.r.ContentLength)
	}
	if err != nil {
		return nil, err
	}
	b.md5 = md5.Sum(b.data)
	if want := h.Get("Content-Md5"); want != "" && want != base64.StdEncoding.EncodeToString(b.md5[:]) {
		return nil, fail(400, "BadDigest", "The Content-MD5 you specified did not match what we received.")
	}
	if err := checkPayload(payload, b.data); err != nil {
		return nil, err
	}
	b.checksum, err = checksumIn(h).verify(b.data)
	return &b, err
}

func readPlain(src io.Reader, length int64) ([]byte, error) {
	if length < 0 {
		return nil, fail(411, "MissingContentLength", "You must provide the Content-Length HTTP header.")
	}
	var buf bytes.Buffer
	if err := readN(&buf, src, length); err != nil {
		return nil, err
	}
	return buf.Bytes(), nil
}

// readN appends n bytes of src to buf.
func readN(buf *bytes.Buffer, src io.Reader, n int64) error {
	if n > maxPut {
		return fail(400, "EntityTooLarge", "Your proposed upload exceeds the maximum allowed size")
	}
	buf.Grow(int(min(n, 16<<20)) + bytes.MinRead)
	if _, err := io.CopyN(buf, src, n); err != nil {
		return errIncomplete()
	}
	return nil
}

func errIncomplete() error {
	return fail(400, "IncompleteBody", "You did not provide the number of bytes specified by the Content-Length HTTP header")
}

// checkPayload compares the body with the SHA-256 that was signed; other values of the header say there is none.
func checkPayload(payload string, data []byte) error {
	if len(payload) != len(emptySHA256) {
		return nil
	}
	sum := sha256.Sum256(data)
	if got := hex.EncodeToString(sum[:]); got != payload {
		return fail(400, "XAmzContentSHA256Mismatch", "The provided 'x-amz-content-sha256' header does not match what was computed.").
			with("ClientComputedContentSHA256", payload).with("S3ComputedContentSHA256", got)
	}
	return nil
}

// readXML reads a request document into v.
func (c *call) readXML(v any) error {
	if c.r.ContentLength > bodyLimit {
		return fail(400, "MaxMessageLengthExceeded", "Your request was too big")
	}
	b, err := c.readBody()
	if err != nil {
		return err
	}
	if err := xml.Unmarshal(b.data, v); err != nil {
		return fail(400, "MalformedXML", "The XML you provided was not well-formed or did not validate against our published schema")
	}
	return nil
}

// decodedLength is the length of a chunked body without its framing.
func decodedLength(h http.Header) (int64, error) {
	n, err := strconv.ParseInt(h.Get("X-Amz-Decoded-Content-Length"), 10, 64)
	if err != nil || n < 0 {
		return 0, errors.Join(fail(411, "MissingContentLength", "You must provide the Content-Length HTTP header."), err)
	}
	return n, nil
}
