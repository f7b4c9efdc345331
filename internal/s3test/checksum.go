package s3test

import (
	"crypto/sha1"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"hash"
	"hash/crc32"
	"hash/crc64"
	"io"
	"net/http"
	"strings"
	"sync"
)

// checksum is what S3 keeps beside the ETag. The zero value is none.
type checksum struct {
	algorithm string // as in algorithms
	value     string // base64; of a composite one "…-parts"
	composite bool   // of the parts' checksums, not of the bytes
}

const defaultAlgorithm = "CRC64NVME" // what S3 computes when the client names none

// nvmeTable is built on first use: it takes a millisecond.
var nvmeTable = sync.OnceValue(func() *crc64.Table { return crc64.MakeTable(0x9a6c9329ac4bc9b5) })

var algorithms = map[string]func() hash.Hash{
	"CRC32":     func() hash.Hash { return crc32.NewIEEE() },
	"CRC32C":    func() hash.Hash { return crc32.New(crc32.MakeTable(crc32.Castagnoli)) },
	"CRC64NVME": func() hash.Hash { return crc64.New(nvmeTable()) },
	"SHA1":      sha1.New,
	"SHA256":    sha256.New,
}

func (c checksum) header() string { return http.CanonicalHeaderKey("X-Amz-Checksum-" + c.algorithm) }

func (c checksum) kind() string {
	if c.composite {
		return "COMPOSITE"
	}
	return "FULL_OBJECT"
}

func (c checksum) setHeaders(h http.Header) {
	if c.value != "" {
		h.Set(c.header(), c.value)
		h.Set("X-Amz-Checksum-Type", c.kind())
	}
}

// sumOf is the checksum of all of src.
func sumOf(algorithm string, src content) (checksum, error) {
	h := algorithms[algorithm]()
	if _, err := io.Copy(h, io.NewSectionReader(src, 0, src.size())); err != nil {
		return checksum{}, err
	}
	return checksum{algorithm: algorithm, value: base64.StdEncoding.EncodeToString(h.Sum(nil))}, nil
}

// sumOfParts is the checksum of the parts' checksums.
func sumOfParts(algorithm string, parts []checksum) checksum {
	h := algorithms[algorithm]()
	for _, p := range parts {
		raw, _ := base64.StdEncoding.DecodeString(p.value) // made by sumOf
		h.Write(raw)
	}
	value := fmt.Sprintf("%s-%d", base64.StdEncoding.EncodeToString(h.Sum(nil)), len(parts))
	return checksum{algorithm: algorithm, value: value, composite: true}
}

// checksumIn finds the checksum a request declares, in a header or a trailer; the zero value if there is none.
func checksumIn(h http.Header) checksum {
	for name := range algorithms {
		c := checksum{algorithm: name}
		if v := h.Get(c.header()); v != "" {
			c.value = v
			return c
		}
	}
	return checksum{}
}

// verify computes the checksum of data that was declared, or the default one if none was.
func (c checksum) verify(data content) (checksum, error) {
	algorithm := c.algorithm
	if algorithm == "" {
		algorithm = defaultAlgorithm
	}
	got, err := sumOf(algorithm, data)
	if err == nil && c.value != "" && c.value != got.value {
		return got, fail(400, "BadDigest", "The %s you specified did not match the calculated checksum.", strings.ToUpper(algorithm))
	}
	return got, err
}
