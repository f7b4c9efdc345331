// Package s3conform is one set of checks for S3 servers, written with the AWS SDK: what hydrant relies on, and what
// makes the embedded server a fair stand-in. The same checks run against internal/s3test and against a real server
// (e2e), so that the embedded one cannot drift from what S3 does.
package s3conform

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/middleware"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/smithy-go"
	smithymw "github.com/aws/smithy-go/middleware"
	smithyhttp "github.com/aws/smithy-go/transport/http"
)

// Target is the server under test and an account on it that may do everything.
type Target struct {
	Endpoint  string // "http://host:port"
	Region    string
	AccessKey string
	SecretKey string

	// Versioning runs the checks of bucket versioning too.
	Versioning bool

	// Deviations are what this server is known to do otherwise than S3, by the names the checks give them. A check
	// that is excused fails when the server does it right after all, so the list stays true.
	Deviations []string
}

// Run checks everything, each part in buckets of its own, which it leaves behind.
func Run(t *testing.T, target Target) {
	parts := []struct {
		name  string
		check func(*suite)
	}{
		{"Ranges", (*suite).ranges},
		{"EmptyObject", (*suite).emptyObject},
		{"ReadConditions", (*suite).readConditions},
		{"WriteConditions", (*suite).writeConditions},
		{"RaceCreate", (*suite).raceCreate},
		{"RaceSwap", (*suite).raceSwap},
		{"Listing", (*suite).listing},
		{"ListingDelimiter", (*suite).listingDelimiter},
		{"StrangeKeys", (*suite).strangeKeys},
		{"Metadata", (*suite).metadata},
		{"Copy", (*suite).copy},
		{"Checksums", (*suite).checksums},
		{"Delete", (*suite).delete},
		{"Multipart", (*suite).multipart},
		{"MultipartCopy", (*suite).multipartCopy},
		{"MultipartConditions", (*suite).multipartConditions},
		{"MultipartErrors", (*suite).multipartErrors},
		{"Buckets", (*suite).buckets},
		{"Missing", (*suite).missing},
		{"Credentials", (*suite).credentials},
		{"Presigned", (*suite).presigned},
		{"Versions", (*suite).versions},
	}
	for _, p := range parts {
		t.Run(p.name, func(t *testing.T) {
			s := &suite{T: t, target: target, ctx: t.Context()}
			s.c = s.client(target)
			s.bucket = fmt.Sprintf("conform-%s-%08x", strings.ToLower(p.name), rand.Uint32())
			_, err := s.c.CreateBucket(s.ctx, &s3.CreateBucketInput{Bucket: &s.bucket})
			s.must(err, "create bucket")
			p.check(s)
		})
	}
}

// suite is one part while it runs, with a bucket of its own.
type suite struct {
	*testing.T
	target Target
	ctx    context.Context
	c      *s3.Client
	bucket string
}

// client does not retry: a check must see the first answer.
func (s *suite) client(target Target, edits ...func(*s3.Options)) *s3.Client {
	return s3.New(s3.Options{
		BaseEndpoint: aws.String(target.Endpoint),
		Region:       target.Region,
		UsePathStyle: true,
		Credentials:  credentials.NewStaticCredentialsProvider(target.AccessKey, target.SecretKey, ""),
		Retryer:      aws.NopRetryer{},
	}, edits...)
}

func (s *suite) must(err error, format string, args ...any) {
	s.Helper()
	if err != nil {
		s.Fatalf("%s: %v", fmt.Sprintf(format, args...), err)
	}
}

// put stores an object and returns its ETag as the server gave it, in quotes.
func (s *suite) put(key, data string) string {
	s.Helper()
	out, err := s.c.PutObject(s.ctx, &s3.PutObjectInput{Bucket: &s.bucket, Key: &key, Body: strings.NewReader(data)})
	s.must(err, "put %s", key)
	return aws.ToString(out.ETag)
}

// get returns the object's bytes.
func (s *suite) get(key string) string {
	s.Helper()
	out, err := s.c.GetObject(s.ctx, &s3.GetObjectInput{Bucket: &s.bucket, Key: &key})
	s.must(err, "get %s", key)
	return s.read(out.Body)
}

func (s *suite) read(body io.ReadCloser) string {
	s.Helper()
	defer body.Close()
	data, err := io.ReadAll(body)
	s.must(err, "read body")
	return string(data)
}

func (s *suite) equal(what string, got, want any) {
	s.Helper()
	if got != want {
		s.Errorf("%s = %v, want %v", what, got, want)
	}
}

// fails checks the HTTP status and S3 code of an error. An empty code is not compared: a HEAD has no body to name it.
func (s *suite) fails(what string, err error, status int, code string) {
	s.Helper()
	if err == nil {
		s.Errorf("%s: succeeded, want %d %s", what, status, code)
		return
	}
	if got := statusOf(err); got != status {
		s.Errorf("%s: status %d, want %d (%v)", what, got, status, err)
	}
	if got := codeOf(err); code != "" && got != code {
		s.Errorf("%s: code %s, want %s", what, got, code)
	}
}

// deviation reports a check by name: ok, or excused, or neither.
func (s *suite) deviation(name string, ok bool, format string, args ...any) {
	s.Helper()
	switch excused := slices.Contains(s.target.Deviations, name); {
	case ok && excused:
		s.Errorf("%s: is right, so it is no deviation", name)
	case !ok && !excused:
		s.Errorf("%s: %s", name, fmt.Sprintf(format, args...))
	}
}

// statusOf is the HTTP status of an SDK error, 0 for one that is not the server's.
func statusOf(err error) int {
	var e *smithyhttp.ResponseError
	if errors.As(err, &e) {
		return e.HTTPStatusCode()
	}
	return 0
}

func codeOf(err error) string {
	var e smithy.APIError
	if errors.As(err, &e) {
		return e.ErrorCode()
	}
	return ""
}

// response is the HTTP response behind an SDK result.
func response(m smithymw.Metadata) *http.Response {
	if r, ok := middleware.GetRawResponse(m).(*smithyhttp.Response); ok {
		return r.Response
	}
	return &http.Response{}
}

// pattern is n bytes that differ everywhere.
func pattern(n int) string {
	var b strings.Builder
	for i := 0; b.Len() < n; i++ {
		fmt.Fprintf(&b, "%08x", uint32(i)*2654435761)
	}
	return b.String()[:n]
}
