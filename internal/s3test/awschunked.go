package s3test

import (
	"bufio"
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"io"
	"net/http"
	"strconv"
	"strings"
)

// Bodies in the encoding aws-chunked, as the AWS documentation "Signature calculations: transferring payload in
// multiple chunks" has it:
//
//	size-in-hex[;chunk-signature=…]\r\n data \r\n     … until a chunk of size 0, which has no data and no \r\n
//	[name:value\r\n …]                                trailers, checksums mostly
//	[x-amz-trailer-signature:…\r\n]
//	\r\n

const maxLine = 8 << 10

// readChunked decodes src. Trailers are added to h. payload says whether there are signatures, which are checked.
func (c *call) readChunked(src *bufio.Reader, payload string, h http.Header) ([]byte, error) {
	want, err := decodedLength(h)
	if err != nil {
		return nil, err
	}
	chain := chunkSigner{}
	if c.signed != nil && strings.HasPrefix(payload, sigPayload) {
		chain = chunkSigner{signer: c.signed, last: c.signed.signature}
	}
	var buf bytes.Buffer
	for {
		n, signature, err := chunkHeader(src)
		if err != nil {
			return nil, err
		}
		if n > want-int64(buf.Len()) {
			return nil, errIncomplete()
		}
		start := buf.Len()
		if err := readN(&buf, src, n); err != nil {
			return nil, err
		}
		if !chain.checkChunk(buf.Bytes()[start:], signature) {
			return nil, fail(403, "SignatureDoesNotMatch", "The signature of a chunk does not match.")
		}
		if n == 0 {
			break
		}
		if line, err := readLine(src); err != nil || line != "" {
			return nil, errIncomplete()
		}
	}
	if int64(buf.Len()) != want {
		return nil, errIncomplete()
	}
	return buf.Bytes(), chain.readTrailers(src, h)
}

func chunkHeader(src *bufio.Reader) (n int64, signature string, err error) {
	line, err := readLine(src)
	if err != nil {
		return 0, "", err
	}
	size, rest, _ := strings.Cut(line, ";")
	n, err = strconv.ParseInt(size, 16, 64)
	if err != nil || n < 0 {
		return 0, "", errIncomplete()
	}
	return n, strings.TrimPrefix(rest, "chunk-signature="), nil
}

// readLine reads up to \r\n, which it takes off.
func readLine(src *bufio.Reader) (string, error) {
	var line []byte
	for len(line) < maxLine {
		b, err := src.ReadByte()
		if err != nil {
			return "", errIncomplete()
		}
		line = append(line, b)
		if b == '\n' {
			return strings.TrimSuffix(string(line[:len(line)-1]), "\r"), nil
		}
	}
	return "", errIncomplete()
}

const sigPayload = "STREAMING-AWS4-HMAC-SHA256-PAYLOAD"

// chunkSigner checks the chain of signatures, each of which signs the one before. Without signer all pass.
type chunkSigner struct {
	*signer
	last string
}

func (s *chunkSigner) checkChunk(data []byte, signature string) bool {
	if s.signer == nil {
		return true
	}
	sum := sha256.Sum256(data)
	return s.check("AWS4-HMAC-SHA256-PAYLOAD", emptySHA256+"\n"+hex.EncodeToString(sum[:]), signature)
}

func (s *chunkSigner) check(kind, text, signature string) bool {
	got := s.sign(strings.Join([]string{kind, s.time, s.scope, s.last, text}, "\n"))
	s.last = got
	return hmac.Equal([]byte(got), []byte(signature))
}

// readTrailers adds the trailers to h, up to the empty line or the end.
func (s *chunkSigner) readTrailers(src *bufio.Reader, h http.Header) error {
	var signed strings.Builder
	for range 16 {
		if _, err := src.Peek(1); err == io.EOF {
			return nil
		}
		line, err := readLine(src)
		if err != nil || line == "" {
			return err
		}
		name, value, _ := strings.Cut(line, ":")
		name, value = strings.ToLower(strings.TrimSpace(name)), strings.TrimSpace(value)
		if name != "x-amz-trailer-signature" {
			h.Set(name, value)
			signed.WriteString(name + ":" + value + "\n")
			continue
		}
		sum := sha256.Sum256([]byte(signed.String()))
		if s.signer != nil && !s.check("AWS4-HMAC-SHA256-TRAILER", hex.EncodeToString(sum[:]), value) {
			return fail(403, "SignatureDoesNotMatch", "The signature of the trailer does not match.")
		}
	}
	return fail(400, "MalformedTrailerError", "The request contained trailing data that was not well-formed.")
}
