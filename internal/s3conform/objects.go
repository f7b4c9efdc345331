package s3conform

import (
	"crypto/md5"
	"encoding/hex"
	"fmt"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
)

func (s *suite) metadata() {
	key := aws.String("object")
	_, err := s.c.PutObject(s.ctx, &s3.PutObjectInput{
		Bucket: &s.bucket, Key: key, Body: strings.NewReader("x"), ContentType: aws.String("application/vnd.sqlite3"),
		CacheControl: aws.String("no-store"), Metadata: map[string]string{"litestream-timestamp": "2026-01-02T03:04:05Z", "empty-not": "1"},
	})
	s.must(err, "put")
	head, err := s.c.HeadObject(s.ctx, &s3.HeadObjectInput{Bucket: &s.bucket, Key: key})
	s.must(err, "head")
	s.equal("Content-Type", aws.ToString(head.ContentType), "application/vnd.sqlite3")
	s.equal("Cache-Control", aws.ToString(head.CacheControl), "no-store")
	s.equal("metadata", head.Metadata["litestream-timestamp"], "2026-01-02T03:04:05Z")
	s.equal("number of metadata", len(head.Metadata), 2)
	get, err := s.c.GetObject(s.ctx, &s3.GetObjectInput{Bucket: &s.bucket, Key: key})
	s.must(err, "get")
	s.equal("body", s.read(get.Body), "x")
	s.equal("metadata of GET", get.Metadata["litestream-timestamp"], "2026-01-02T03:04:05Z")

	sum := md5.Sum([]byte("x"))
	s.equal("ETag", aws.ToString(head.ETag), `"`+hex.EncodeToString(sum[:])+`"`)
	s.put("plain", "y")
	head, err = s.c.HeadObject(s.ctx, &s3.HeadObjectInput{Bucket: &s.bucket, Key: aws.String("plain")})
	s.must(err, "head")
	s.equal("default Content-Type", aws.ToString(head.ContentType), "application/octet-stream")
	s.equal("no metadata", len(head.Metadata), 0)
}

func (s *suite) copy() {
	_, err := s.c.PutObject(s.ctx, &s3.PutObjectInput{
		Bucket: &s.bucket, Key: aws.String("from here"), Body: strings.NewReader("content"), Metadata: map[string]string{"a": "1"},
	})
	s.must(err, "put")
	src := aws.String(s.bucket + "/from%20here")
	out, err := s.c.CopyObject(s.ctx, &s3.CopyObjectInput{Bucket: &s.bucket, Key: aws.String("to"), CopySource: src})
	s.must(err, "copy")
	s.equal("body", s.get("to"), "content")
	head, err := s.c.HeadObject(s.ctx, &s3.HeadObjectInput{Bucket: &s.bucket, Key: aws.String("to")})
	s.must(err, "head")
	s.equal("ETag", aws.ToString(head.ETag), aws.ToString(out.CopyObjectResult.ETag))
	s.equal("metadata", head.Metadata["a"], "1")

	_, err = s.c.CopyObject(s.ctx, &s3.CopyObjectInput{
		Bucket: &s.bucket, Key: aws.String("to"), CopySource: src, MetadataDirective: types.MetadataDirectiveReplace,
		Metadata: map[string]string{"b": "2"},
	})
	s.must(err, "copy with new metadata")
	head, err = s.c.HeadObject(s.ctx, &s3.HeadObjectInput{Bucket: &s.bucket, Key: aws.String("to")})
	s.must(err, "head")
	s.equal("metadata", fmt.Sprint(head.Metadata), "map[b:2]")

	_, err = s.c.CopyObject(s.ctx, &s3.CopyObjectInput{Bucket: &s.bucket, Key: aws.String("to"), CopySource: aws.String(s.bucket + "/absent")})
	s.fails("copy of nothing", err, 404, "NoSuchKey")
	_, err = s.c.CopyObject(s.ctx, &s3.CopyObjectInput{
		Bucket: &s.bucket, Key: aws.String("to"), CopySource: src, CopySourceIfMatch: aws.String(`"00000000000000000000000000000000"`),
	})
	s.fails("copy of a stale one", err, 412, "PreconditionFailed")
}

func (s *suite) checksums() {
	data := pattern(10000)
	for _, a := range []types.ChecksumAlgorithm{
		types.ChecksumAlgorithmCrc32, types.ChecksumAlgorithmCrc32c, types.ChecksumAlgorithmCrc64nvme,
		types.ChecksumAlgorithmSha1, types.ChecksumAlgorithmSha256,
	} {
		key := aws.String("by-" + string(a))
		put, err := s.c.PutObject(s.ctx, &s3.PutObjectInput{Bucket: &s.bucket, Key: key, Body: strings.NewReader(data), ChecksumAlgorithm: a})
		s.must(err, "put by %s", a)
		get, err := s.c.GetObject(s.ctx, &s3.GetObjectInput{Bucket: &s.bucket, Key: key, ChecksumMode: types.ChecksumModeEnabled})
		s.must(err, "get by %s", a)
		s.equal("body", s.read(get.Body), data) // the SDK compares the checksum as it reads
		sent := checksumOf(put.ChecksumCRC32, put.ChecksumCRC32C, put.ChecksumCRC64NVME, put.ChecksumSHA1, put.ChecksumSHA256)
		got := checksumOf(get.ChecksumCRC32, get.ChecksumCRC32C, get.ChecksumCRC64NVME, get.ChecksumSHA1, get.ChecksumSHA256)
		if sent == "" || sent != got {
			s.Errorf("%s: stored as %q, read as %q", a, sent, got)
		}
		head, err := s.c.HeadObject(s.ctx, &s3.HeadObjectInput{Bucket: &s.bucket, Key: key, ChecksumMode: types.ChecksumModeEnabled})
		s.must(err, "head by %s", a)
		got = checksumOf(head.ChecksumCRC32, head.ChecksumCRC32C, head.ChecksumCRC64NVME, head.ChecksumSHA1, head.ChecksumSHA256)
		s.equal("checksum of HEAD", got, sent)
		s.equal("its type", head.ChecksumType, types.ChecksumTypeFullObject)
		part, err := s.c.GetObject(s.ctx, &s3.GetObjectInput{
			Bucket: &s.bucket, Key: key, Range: aws.String("bytes=5-99"), ChecksumMode: types.ChecksumModeEnabled,
		})
		s.must(err, "range by %s", a)
		s.equal("body of a range", s.read(part.Body), data[5:100])
		got = checksumOf(part.ChecksumCRC32, part.ChecksumCRC32C, part.ChecksumCRC64NVME, part.ChecksumSHA1, part.ChecksumSHA256)
		s.equal("checksum of a range", got, "")
	}
	_, err := s.c.PutObject(s.ctx, &s3.PutObjectInput{
		Bucket: &s.bucket, Key: aws.String("wrong"), Body: strings.NewReader("x"), ChecksumCRC32C: aws.String("AAAAAA=="),
	})
	s.fails("wrong checksum", err, 400, "BadDigest")
	_, err = s.c.PutObject(s.ctx, &s3.PutObjectInput{
		Bucket: &s.bucket, Key: aws.String("wrong"), Body: strings.NewReader("x"), ContentMD5: aws.String("AAAAAAAAAAAAAAAAAAAAAA=="),
	})
	s.fails("wrong MD5", err, 400, "BadDigest")
	_, err = s.c.HeadObject(s.ctx, &s3.HeadObjectInput{Bucket: &s.bucket, Key: aws.String("wrong")})
	s.fails("after both", err, 404, "")
}

// checksumOf is the one that is there.
func checksumOf(all ...*string) string {
	for _, c := range all {
		if c != nil {
			return *c
		}
	}
	return ""
}

func (s *suite) delete() {
	s.put("one", "1")
	_, err := s.c.DeleteObject(s.ctx, &s3.DeleteObjectInput{Bucket: &s.bucket, Key: aws.String("one")})
	s.must(err, "delete")
	_, err = s.c.DeleteObject(s.ctx, &s3.DeleteObjectInput{Bucket: &s.bucket, Key: aws.String("one")})
	s.must(err, "delete again")
	_, err = s.c.GetObject(s.ctx, &s3.GetObjectInput{Bucket: &s.bucket, Key: aws.String("one")})
	s.fails("get", err, 404, "NoSuchKey")

	var ids []types.ObjectIdentifier
	for i := range 5 {
		key := fmt.Sprint("many/", i)
		s.put(key, "x")
		ids = append(ids, types.ObjectIdentifier{Key: &key})
	}
	ids = append(ids, types.ObjectIdentifier{Key: aws.String("many/absent")})
	out, err := s.c.DeleteObjects(s.ctx, &s3.DeleteObjectsInput{Bucket: &s.bucket, Delete: &types.Delete{Objects: ids}})
	s.must(err, "delete many")
	s.equal("deleted", len(out.Deleted), len(ids))
	s.equal("errors", len(out.Errors), 0)
	keys, _, _ := s.list(s3.ListObjectsV2Input{})
	s.same("left", keys, nil)
}
