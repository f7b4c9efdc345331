package s3test

import (
	"bufio"
	"bytes"
	"context"
	"encoding/base64"
	"fmt"
	"hash/crc64"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
)

// The account and date of the examples in AWS's documentation of Signature Version 4.
const (
	exampleKey    = "AKIAIOSFODNN7EXAMPLE"
	exampleSecret = "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"
	exampleTime   = "20130524T000000Z"
)

func exampleServer(t *testing.T) *Server {
	now, err := time.Parse(sigTime, exampleTime)
	if err != nil {
		t.Fatal(err)
	}
	return New(Options{AccessKey: exampleKey, SecretKey: exampleSecret, Now: func() time.Time { return now }})
}

func TestSignatureExample(t *testing.T) {
	s := exampleServer(t)
	r := httptest.NewRequest("GET", "http://examplebucket.s3.amazonaws.com/test.txt", nil)
	r.Header.Set("Range", "bytes=0-9")
	r.Header.Set("X-Amz-Content-Sha256", emptySHA256)
	r.Header.Set("X-Amz-Date", exampleTime)
	r.Header.Set("Authorization", "AWS4-HMAC-SHA256 Credential="+exampleKey+"/20130524/us-east-1/s3/aws4_request,"+
		"SignedHeaders=host;range;x-amz-content-sha256;x-amz-date,"+
		"Signature=f0e8bdb87c964420e857bd35b5d6ed310bd44f0170aba48dd91039c6036bdb41")
	c := s.newCall(context.Background(), httptest.NewRecorder(), r)
	if err := c.authenticate(); err != nil {
		t.Error(err)
	}
	r.Header.Set("Range", "bytes=0-10")
	if err := c.authenticate(); err == nil || !strings.Contains(err.Error(), "SignatureDoesNotMatch") {
		t.Errorf("changed request: %v", err)
	}
}

// The documentation's example of a body signed in chunks: 66560 letters a.
func TestChunkSignatureExample(t *testing.T) {
	chain := func() *chunkSigner {
		return &chunkSigner{
			signer: &signer{
				key:   signingKey(exampleSecret, "20130524", "us-east-1", "s3"),
				scope: "20130524/us-east-1/s3/aws4_request", time: exampleTime,
			},
			last: "4f232c4386841ef735655705268965c44a0e4690baa4adea153f7db9fa80a0a9",
		}
	}
	c := chain()
	for i, chunk := range []struct {
		size      int
		signature string
	}{
		{65536, "ad80c730a21e5b8d04586a2213dd63b9a0e99e0e2307b0ade35a65485a288648"},
		{1024, "0055627c9e194cb4542bae2aa5492e3c1575bbb81b612b7d234b86a503ef5497"},
		{0, "b6c6ea8a5354eaf15b3cb7646744f4275b71ea724fed81ceb9323e279d449df9"},
	} {
		if !c.checkChunk(bytes.Repeat([]byte("a"), chunk.size), chunk.signature) {
			t.Errorf("chunk %d is refused", i)
		}
	}
	if chain().checkChunk([]byte("b"), "ad80c730a21e5b8d04586a2213dd63b9a0e99e0e2307b0ade35a65485a288648") {
		t.Error("a changed chunk is accepted")
	}
}

func TestClockSkew(t *testing.T) {
	offset := time.Duration(0)
	s := Start(t, Options{Now: func() time.Time { return time.Now().Add(offset) }})
	s.Put("bucket", "object", []byte("x"))
	in := &s3.GetObjectInput{Bucket: aws.String("bucket"), Key: aws.String("object")}
	presigned, err := s3.NewPresignClient(client(s)).PresignGetObject(t.Context(), in, s3.WithPresignExpires(time.Minute))
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		offset            time.Duration
		header, presigned string
	}{
		{0, "", ""},
		{30 * time.Second, "", ""},
		{10 * time.Minute, "", "AccessDenied"},
		{time.Hour, "RequestTimeTooSkewed", "AccessDenied"},
		{-time.Hour, "RequestTimeTooSkewed", "AccessDenied"},
	} {
		offset = c.offset
		_, err := client(s).GetObject(t.Context(), in, func(o *s3.Options) { o.Retryer = aws.NopRetryer{} })
		if c.header == "" && err != nil || c.header != "" && (err == nil || !strings.Contains(err.Error(), c.header)) {
			t.Errorf("%v: %v, want %q", c.offset, err, c.header)
		}
		_, body, err := request(t, http.DefaultClient, "GET", presigned.URL, "")
		if err != nil || !strings.Contains(body, c.presigned) {
			t.Errorf("presigned, %v: %q, %v, want %q", c.offset, body, err, c.presigned)
		}
	}
}

func TestUnsignedHeaderIsRefused(t *testing.T) {
	s := Start(t, Options{})
	s.Put("bucket", "object", []byte("x"))
	p, err := s3.NewPresignClient(client(s)).PresignGetObject(t.Context(), &s3.GetObjectInput{
		Bucket: aws.String("bucket"), Key: aws.String("object"),
	})
	if err != nil {
		t.Fatal(err)
	}
	res, body, err := request(t, http.DefaultClient, "GET", p.URL, "", "X-Amz-Meta-Added", "1")
	if err != nil || res.StatusCode != 403 || !strings.Contains(body, "not signed") {
		t.Errorf("%v, %v, %q", res, err, body)
	}
}

func TestAnonymous(t *testing.T) {
	s := Start(t, Options{Anonymous: true})
	s.Put("bucket", "object", []byte("x"))
	res, body, err := request(t, http.DefaultClient, "GET", s.URL()+"/bucket/object", "")
	if err != nil || res.StatusCode != 200 || body != "x" {
		t.Errorf("unsigned: %v, %v, %q", res, err, body)
	}
	res, _, err = request(t, http.DefaultClient, "GET", s.URL()+"/bucket/object", "", "Authorization", "AWS4-HMAC-SHA256 nonsense")
	if err != nil || res.StatusCode != 400 {
		t.Errorf("badly signed: %v, %v", res, err)
	}
}

// Over TLS the SDK sends unseekable bodies in aws-chunked with a checksum in a trailer.
func TestTrailingChecksum(t *testing.T) {
	s := New(Options{})
	s.CreateBucket("bucket")
	tlsServer := httptest.NewTLSServer(s)
	defer tlsServer.Close()
	defer s.Close()
	c := client(s)
	data := strings.Repeat("trailing ", 100_000)
	for _, a := range []types.ChecksumAlgorithm{"", types.ChecksumAlgorithmCrc32c, types.ChecksumAlgorithmCrc64nvme} {
		_, err := c.PutObject(t.Context(), &s3.PutObjectInput{
			Bucket: aws.String("bucket"), Key: aws.String("object"), Body: io.MultiReader(strings.NewReader(data)),
			ContentLength: aws.Int64(int64(len(data))), ChecksumAlgorithm: a, ContentEncoding: aws.String("identity"),
		}, func(o *s3.Options) {
			o.BaseEndpoint = &tlsServer.URL
			o.HTTPClient = tlsServer.Client()
			o.Retryer = aws.NopRetryer{}
		})
		if err != nil {
			t.Fatalf("%q: %v", a, err)
		}
		if got, _ := s.Get("bucket", "object"); string(got) != data {
			t.Errorf("%q: stored %d bytes, want %d", a, len(got), len(data))
		}
		o, err := s.store.get("bucket", "object", "")
		if err != nil || o.headers.Get("Content-Encoding") != "identity" || o.checksum.value == "" {
			t.Errorf("%q: %+v, %v", a, o, err)
		}
	}
}

func TestChunkedBodies(t *testing.T) {
	sum := func(text string) string {
		return base64.StdEncoding.EncodeToString(fmt.Appendf(nil, "%s", crcBytes(text)))
	}
	cases := []struct {
		name, body string
		length     int
		code       string // "": stored
	}{
		{"good", "5\r\nhello\r\n0\r\nx-amz-checksum-crc64nvme:" + sum("hello") + "\r\n\r\n", 5, ""},
		{"two chunks", "2\r\nhe\r\n3\r\nllo\r\n0\r\nx-amz-checksum-crc64nvme:" + sum("hello") + "\r\n\r\n", 5, ""},
		{"no trailer", "5\r\nhello\r\n0\r\n\r\n", 5, ""},
		{"empty", "0\r\n\r\n", 0, ""},
		{"wrong checksum", "5\r\nhello\r\n0\r\nx-amz-checksum-crc64nvme:" + sum("hullo") + "\r\n\r\n", 5, "BadDigest"},
		{"short", "4\r\nhell\r\n0\r\n\r\n", 5, "IncompleteBody"},
		{"long", "6\r\nhelloo\r\n0\r\n\r\n", 5, "IncompleteBody"},
		{"huge", "7fffffffffffffff\r\nhello", 5, "IncompleteBody"},
		{"negative", "-1\r\nhello", 5, "IncompleteBody"},
		{"cut", "5\r\nhel", 5, "IncompleteBody"},
		{"no framing", "hello", 5, "IncompleteBody"},
	}
	for _, c := range cases {
		s, client := faulty(t)
		_, body, err := request(t, client, "PUT", s.URL()+"/bucket/new", c.body,
			"X-Amz-Content-Sha256", "STREAMING-UNSIGNED-PAYLOAD-TRAILER", "X-Amz-Decoded-Content-Length", fmt.Sprint(c.length))
		_, stored := s.Get("bucket", "new")
		if err != nil || !strings.Contains(body, c.code) || stored != (c.code == "") {
			t.Errorf("%s: stored %v, %v, %s", c.name, stored, err, body)
		}
	}
}

func crcBytes(text string) []byte {
	h := crc64.New(nvmeTable())
	h.Write([]byte(text))
	return h.Sum(nil)
}

// The check value that the catalogue of CRCs gives for CRC-64/NVME.
func TestCRC64NVME(t *testing.T) {
	if got := fmt.Sprintf("%x", crcBytes("123456789")); got != "ae8b14860a799888" {
		t.Error(got)
	}
}

func TestVirtualHost(t *testing.T) {
	s := Start(t, Options{})
	s.Put("bucket", "dir/object", []byte("x"))
	addr := strings.TrimPrefix(s.URL(), "http://")
	_, port, err := net.SplitHostPort(addr)
	if err != nil {
		t.Fatal(err)
	}
	transport := &http.Transport{DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, network, addr)
	}}
	out, err := client(s).GetObject(t.Context(), &s3.GetObjectInput{Bucket: aws.String("bucket"), Key: aws.String("dir/object")},
		func(o *s3.Options) {
			o.UsePathStyle = false
			o.BaseEndpoint = aws.String("http://localhost:" + port)
			o.HTTPClient = &http.Client{Transport: transport}
		})
	if err != nil {
		t.Fatal(err)
	}
	defer out.Body.Close()
	if data, err := io.ReadAll(out.Body); err != nil || string(data) != "x" {
		t.Errorf("%q, %v", data, err)
	}
}

func FuzzChunked(f *testing.F) {
	f.Add([]byte("5\r\nhello\r\n0\r\nname:value\r\n\r\n"), int64(5))
	f.Add([]byte("5;chunk-signature=00\r\nhello\r\n0;chunk-signature=\r\n\r\n"), int64(5))
	f.Fuzz(func(t *testing.T, body []byte, length int64) {
		c := &call{}
		h := http.Header{"X-Amz-Decoded-Content-Length": {fmt.Sprint(length)}}
		data, err := c.readChunked(bufio.NewReader(bytes.NewReader(body)), "STREAMING-UNSIGNED-PAYLOAD-TRAILER", h)
		if err == nil && int64(len(data)) != length {
			t.Errorf("%d bytes, declared %d", len(data), length)
		}
	})
}
