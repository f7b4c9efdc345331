package s3conform

import (
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
)

func (s *suite) ranges() {
	data := pattern(1000)
	etag := s.put("object", data)
	cases := []struct {
		header     string
		first, end int // what is served; -1, -1: 416
		partial    bool
	}{
		{"bytes=0-0", 0, 1, true},
		{"bytes=0-99", 0, 100, true},
		{"bytes=100-199", 100, 200, true},
		{"bytes=999-999", 999, 1000, true},
		{"bytes=990-", 990, 1000, true},
		{"bytes=990-5000", 990, 1000, true},
		{"bytes=0-", 0, 1000, true},
		{"bytes=-1", 999, 1000, true},
		{"bytes=-100", 900, 1000, true},
		{"bytes=-5000", 0, 1000, true},
		{"bytes=1000-", -1, -1, false},
		{"bytes=1000-1999", -1, -1, false},
		{"bytes=5000-6000", -1, -1, false},
		{"bytes=-0", -1, -1, false},
		{"bytes=0-1,4-5", 0, 1000, false}, // S3 serves one range or none
		{"bytes=9-5", 0, 1000, false},
		{"bytes=a-b", 0, 1000, false},
		{"pages=0-1", 0, 1000, false},
	}
	for _, c := range cases {
		s.Run(c.header, func(t *testing.T) {
			s := s.on(t)
			out, err := s.c.GetObject(s.ctx, &s3.GetObjectInput{Bucket: &s.bucket, Key: aws.String("object"), Range: &c.header})
			if c.first < 0 {
				s.fails("get", err, http.StatusRequestedRangeNotSatisfiable, "InvalidRange")
				return
			}
			s.must(err, "get")
			if got := s.read(out.Body); got != data[c.first:c.end] {
				s.Errorf("body of %d bytes %.20q…, want %d bytes %.20q…", len(got), got, c.end-c.first, data[c.first:c.end])
			}
			s.equal("Content-Length", aws.ToInt64(out.ContentLength), int64(c.end-c.first))
			s.equal("ETag", aws.ToString(out.ETag), etag)
			status, contentRange := http.StatusOK, ""
			if c.partial {
				status, contentRange = http.StatusPartialContent, fmt.Sprintf("bytes %d-%d/1000", c.first, c.end-1)
			}
			s.equal("status", response(out.ResultMetadata).StatusCode, status)
			s.equal("Content-Range", aws.ToString(out.ContentRange), contentRange)
		})
	}
}

func (s *suite) emptyObject() {
	s.put("empty", "")
	s.equal("body", s.get("empty"), "")
	_, err := s.c.GetObject(s.ctx, &s3.GetObjectInput{Bucket: &s.bucket, Key: aws.String("empty"), Range: aws.String("bytes=0-99")})
	s.fails("range of nothing", err, http.StatusRequestedRangeNotSatisfiable, "InvalidRange")
}

func (s *suite) readConditions() {
	etag := s.put("object", pattern(100))
	const other = `"00000000000000000000000000000000"`
	head, err := s.c.HeadObject(s.ctx, &s3.HeadObjectInput{Bucket: &s.bucket, Key: aws.String("object")})
	s.must(err, "head")
	s.equal("ETag of HEAD", aws.ToString(head.ETag), etag)
	s.equal("size of HEAD", aws.ToInt64(head.ContentLength), int64(100))
	before, after := head.LastModified.Add(-time.Hour), head.LastModified.Add(time.Second)

	cases := []struct {
		name   string
		in     s3.GetObjectInput
		status int
	}{
		{"If-Match same", s3.GetObjectInput{IfMatch: &etag}, 200},
		{"If-Match other", s3.GetObjectInput{IfMatch: aws.String(other)}, 412},
		{"If-None-Match same", s3.GetObjectInput{IfNoneMatch: &etag}, 304},
		{"If-None-Match other", s3.GetObjectInput{IfNoneMatch: aws.String(other)}, 200},
		{"If-Modified-Since before", s3.GetObjectInput{IfModifiedSince: &before}, 200},
		{"If-Unmodified-Since before", s3.GetObjectInput{IfUnmodifiedSince: &before}, 412},
		{"If-Unmodified-Since after", s3.GetObjectInput{IfUnmodifiedSince: &after}, 200},
		{"If-Match outranks If-Unmodified-Since", s3.GetObjectInput{IfMatch: &etag, IfUnmodifiedSince: &before}, 200},
		{"If-None-Match outranks If-Modified-Since", s3.GetObjectInput{IfNoneMatch: &etag, IfModifiedSince: &before}, 304},
	}
	for _, c := range cases {
		for _, r := range []string{"", "bytes=10-19"} {
			c.in.Bucket, c.in.Key, c.in.Range = &s.bucket, aws.String("object"), nil
			want := c.status
			if r != "" {
				c.in.Range = &r
				if want == 200 {
					want = 206
				}
			}
			out, err := s.c.GetObject(s.ctx, &c.in)
			got := statusOf(err)
			if err == nil {
				got = response(out.ResultMetadata).StatusCode
				_ = out.Body.Close()
			}
			s.equal(c.name+" "+r, got, want)
			if want == 412 && codeOf(err) != "PreconditionFailed" {
				s.Errorf("%s: code %s", c.name, codeOf(err))
			}
		}
		_, err := s.c.HeadObject(s.ctx, &s3.HeadObjectInput{
			Bucket: &s.bucket, Key: aws.String("object"), IfMatch: c.in.IfMatch, IfNoneMatch: c.in.IfNoneMatch,
			IfModifiedSince: c.in.IfModifiedSince, IfUnmodifiedSince: c.in.IfUnmodifiedSince,
		})
		got := statusOf(err)
		if err == nil {
			got = 200
		}
		s.equal("HEAD "+c.name, got, c.status)
	}
	_, err = s.c.GetObject(s.ctx, &s3.GetObjectInput{Bucket: &s.bucket, Key: aws.String("object"), IfModifiedSince: head.LastModified})
	s.deviation("If-Modified-Since the very second", statusOf(err) == 304, "status %d, want 304", statusOf(err))
}
