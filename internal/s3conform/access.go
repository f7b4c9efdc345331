package s3conform

import (
	"io"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
)

func (s *suite) buckets() {
	_, err := s.c.HeadBucket(s.ctx, &s3.HeadBucketInput{Bucket: &s.bucket})
	s.must(err, "head bucket")
	out, err := s.c.ListBuckets(s.ctx, &s3.ListBucketsInput{})
	s.must(err, "list buckets")
	if !slices.ContainsFunc(out.Buckets, func(b types.Bucket) bool { return aws.ToString(b.Name) == s.bucket }) {
		s.Errorf("%s is not among the buckets", s.bucket)
	}
	s.put("object", "x")
	_, err = s.c.DeleteBucket(s.ctx, &s3.DeleteBucketInput{Bucket: &s.bucket})
	s.fails("delete a full bucket", err, 409, "BucketNotEmpty")
	_, err = s.c.DeleteObject(s.ctx, &s3.DeleteObjectInput{Bucket: &s.bucket, Key: aws.String("object")})
	s.must(err, "delete")
	_, err = s.c.DeleteBucket(s.ctx, &s3.DeleteBucketInput{Bucket: &s.bucket})
	s.must(err, "delete bucket")
	_, err = s.c.HeadBucket(s.ctx, &s3.HeadBucketInput{Bucket: &s.bucket})
	s.fails("head what was deleted", err, 404, "")
}

func (s *suite) missing() {
	_, err := s.c.GetObject(s.ctx, &s3.GetObjectInput{Bucket: &s.bucket, Key: aws.String("absent")})
	s.fails("get no key", err, 404, "NoSuchKey")
	_, err = s.c.HeadObject(s.ctx, &s3.HeadObjectInput{Bucket: &s.bucket, Key: aws.String("absent")})
	s.fails("head no key", err, 404, "")

	none := aws.String("conform-no-such-bucket")
	_, err = s.c.GetObject(s.ctx, &s3.GetObjectInput{Bucket: none, Key: aws.String("absent")})
	s.fails("get in no bucket", err, 404, "NoSuchBucket")
	_, err = s.c.PutObject(s.ctx, &s3.PutObjectInput{Bucket: none, Key: aws.String("key"), Body: strings.NewReader("x")})
	s.fails("put in no bucket", err, 404, "NoSuchBucket")
	_, err = s.c.ListObjectsV2(s.ctx, &s3.ListObjectsV2Input{Bucket: none})
	s.fails("list no bucket", err, 404, "NoSuchBucket")
	_, err = s.c.HeadBucket(s.ctx, &s3.HeadBucketInput{Bucket: none})
	s.fails("head no bucket", err, 404, "")
}

func (s *suite) credentials() {
	s.put("object", "x")
	get := func(change func(*Target)) error {
		target := s.target
		change(&target)
		_, err := s.client(target).GetObject(s.ctx, &s3.GetObjectInput{Bucket: &s.bucket, Key: aws.String("object")})
		return err
	}
	s.must(get(func(*Target) {}), "right credentials")
	err := get(func(t *Target) { t.AccessKey = "NOBODY" })
	s.deviation("InvalidAccessKeyId", statusOf(err) == 403 && codeOf(err) == "InvalidAccessKeyId", "wrong key: %v", err)
	s.fails("wrong secret", get(func(t *Target) { t.SecretKey += "x" }), 403, "SignatureDoesNotMatch")
	s.fails("wrong region", get(func(t *Target) { t.Region = "eu-central-2" }), 400, "AuthorizationHeaderMalformed")

	anonymous := s.client(s.target, func(o *s3.Options) { o.Credentials = aws.AnonymousCredentials{} })
	_, err = anonymous.GetObject(s.ctx, &s3.GetObjectInput{Bucket: &s.bucket, Key: aws.String("object")})
	s.fails("no credentials", err, 403, "AccessDenied")
}

func (s *suite) presigned() {
	s.put("an object", pattern(100))
	p := s3.NewPresignClient(s.c, s3.WithPresignExpires(time.Minute))
	req, err := p.PresignGetObject(s.ctx, &s3.GetObjectInput{Bucket: &s.bucket, Key: aws.String("an object")})
	s.must(err, "presign")
	get := func(url string) (int, string) {
		r, err := http.NewRequestWithContext(s.ctx, http.MethodGet, url, nil)
		s.must(err, "request")
		r.Header.Set("Range", "bytes=10-19")
		res, err := http.DefaultClient.Do(r)
		s.must(err, "get")
		defer res.Body.Close()
		data, err := io.ReadAll(res.Body)
		s.must(err, "read")
		return res.StatusCode, string(data)
	}
	status, body := get(req.URL)
	s.equal("status", status, 206)
	s.equal("body", body, pattern(100)[10:20])
	status, body = get(strings.Replace(req.URL, "X-Amz-Signature=", "X-Amz-Signature=0", 1))
	s.equal("status with a wrong signature", status, 403)
	if !strings.Contains(body, "<Code>SignatureDoesNotMatch</Code>") {
		s.Errorf("body with a wrong signature: %s", body)
	}
}
