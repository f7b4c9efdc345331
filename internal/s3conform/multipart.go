package s3conform

import (
	"crypto/md5"
	"encoding/base64"
	"encoding/binary"
	"encoding/hex"
	"fmt"
	"strings"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"hydrant/internal/crc"
)

const partSize = 5 << 20 // the least that S3 takes

// upload is a multipart upload on its way.
type upload struct {
	*suite
	key, id string
	parts   []types.CompletedPart
}

func (s *suite) begin(key string) *upload {
	s.Helper()
	out, err := s.c.CreateMultipartUpload(s.ctx, &s3.CreateMultipartUploadInput{
		Bucket: &s.bucket, Key: &key, Metadata: map[string]string{"a": "1"},
	})
	s.must(err, "create upload of %s", key)
	return &upload{suite: s, key: key, id: aws.ToString(out.UploadId)}
}

func (u *upload) part(number int32, data string) {
	u.Helper()
	out, err := u.c.UploadPart(u.ctx, &s3.UploadPartInput{
		Bucket: &u.bucket, Key: &u.key, UploadId: &u.id, PartNumber: &number, Body: strings.NewReader(data),
	})
	u.must(err, "part %d", number)
	u.parts = append(u.parts, types.CompletedPart{
		PartNumber: &number, ETag: out.ETag, ChecksumCRC32: out.ChecksumCRC32, ChecksumCRC64NVME: out.ChecksumCRC64NVME,
	})
}

func (u *upload) complete(match, noneMatch *string) (string, error) {
	out, err := u.c.CompleteMultipartUpload(u.ctx, &s3.CompleteMultipartUploadInput{
		Bucket: &u.bucket, Key: &u.key, UploadId: &u.id, IfMatch: match, IfNoneMatch: noneMatch,
		MultipartUpload: &types.CompletedMultipartUpload{Parts: u.parts},
	})
	if err != nil {
		return "", err
	}
	return aws.ToString(out.ETag), nil
}

func (s *suite) multipart() {
	whole := pattern(2*partSize + 1000)
	u := s.begin("object")
	u.part(1, whole[:partSize])
	u.part(3, whole[partSize:2*partSize]) // numbers may have gaps
	u.part(7, whole[2*partSize:])

	parts, err := s.c.ListParts(s.ctx, &s3.ListPartsInput{Bucket: &s.bucket, Key: &u.key, UploadId: &u.id})
	s.must(err, "list parts")
	s.equal("parts", len(parts.Parts), 3)
	for i, p := range parts.Parts {
		s.equal("number", aws.ToInt32(p.PartNumber), aws.ToInt32(u.parts[i].PartNumber))
		s.equal("ETag of part", aws.ToString(p.ETag), aws.ToString(u.parts[i].ETag))
	}
	_, err = s.c.HeadObject(s.ctx, &s3.HeadObjectInput{Bucket: &s.bucket, Key: &u.key})
	s.fails("before completion", err, 404, "")

	etag, err := u.complete(nil, nil)
	s.must(err, "complete")
	h := md5.New()
	for _, p := range []string{whole[:partSize], whole[partSize : 2*partSize], whole[2*partSize:]} {
		sum := md5.Sum([]byte(p))
		h.Write(sum[:])
	}
	s.equal("ETag", etag, fmt.Sprintf(`"%s-3"`, hex.EncodeToString(h.Sum(nil))))
	head, err := s.c.HeadObject(s.ctx, &s3.HeadObjectInput{Bucket: &s.bucket, Key: &u.key, ChecksumMode: types.ChecksumModeEnabled})
	s.must(err, "head")
	s.equal("ETag of HEAD", aws.ToString(head.ETag), etag)
	s.equal("metadata", head.Metadata["a"], "1")
	s.equal("type of its checksum", head.ChecksumType, types.ChecksumTypeFullObject)
	s.equal("checksum", aws.ToString(head.ChecksumCRC64NVME), nvme(whole))
	list, err := s.c.ListObjectsV2(s.ctx, &s3.ListObjectsV2Input{Bucket: &s.bucket})
	s.must(err, "list")
	s.equal("ETag of LIST", aws.ToString(list.Contents[0].ETag), etag)
	if s.get("object") != whole {
		s.Error("the object is not its parts")
	}
	out, err := s.c.GetObject(s.ctx, &s3.GetObjectInput{
		Bucket: &s.bucket, Key: &u.key, Range: aws.String(fmt.Sprintf("bytes=%d-%d", partSize-10, 2*partSize+9)),
	})
	s.must(err, "range over parts")
	if s.read(out.Body) != whole[partSize-10:2*partSize+10] {
		s.Error("a range over all parts differs")
	}
}

// nvme is the checksum that S3 computes when nobody names another, as it writes it.
func nvme(data string) string {
	sum := crc.CRC64NVME.Update(0, []byte(data))
	return base64.StdEncoding.EncodeToString(binary.BigEndian.AppendUint64(nil, sum))
}

func (s *suite) multipartCopy() {
	whole := pattern(partSize + 5000)
	s.put("source", whole)
	u := s.begin("object")
	for i, r := range []string{fmt.Sprintf("bytes=10-%d", partSize+9), "bytes=0-99"} {
		number := int32(i + 1)
		out, err := s.c.UploadPartCopy(s.ctx, &s3.UploadPartCopyInput{
			Bucket: &s.bucket, Key: &u.key, UploadId: &u.id, PartNumber: &number,
			CopySource: aws.String(s.bucket + "/source"), CopySourceRange: &r,
		})
		s.must(err, "copy %s", r)
		res := out.CopyPartResult
		u.parts = append(u.parts, types.CompletedPart{
			PartNumber: &number, ETag: res.ETag, ChecksumCRC32: res.ChecksumCRC32, ChecksumCRC64NVME: res.ChecksumCRC64NVME,
		})
	}
	_, err := u.complete(nil, nil)
	s.must(err, "complete")
	if s.get("object") != whole[10:partSize+10]+whole[:100] {
		s.Error("the object is not the ranges it was made of")
	}
}

func (s *suite) multipartConditions() {
	u := s.begin("object")
	u.part(1, "first")
	first, err := u.complete(nil, aws.String("*"))
	s.must(err, "complete where there is none")

	u = s.begin("object")
	u.part(1, "second")
	_, err = u.complete(nil, aws.String("*"))
	s.fails("complete where there is one", err, 412, "PreconditionFailed")
	_, err = u.complete(aws.String(`"00000000000000000000000000000000"`), nil)
	s.fails("complete over another", err, 412, "PreconditionFailed")
	s.equal("after both", s.get("object"), "first")
	_, err = u.complete(&first, nil)
	s.must(err, "complete over the right one")
	s.equal("after it", s.get("object"), "second")
}

func (s *suite) multipartErrors() {
	u := s.begin("object")
	u.part(1, "small")
	u.part(2, pattern(partSize))
	_, err := u.complete(nil, nil)
	s.fails("small parts", err, 400, "EntityTooSmall")

	good := u.parts
	u.parts = []types.CompletedPart{good[1], good[0]}
	_, err = u.complete(nil, nil)
	s.fails("parts out of order", err, 400, "InvalidPartOrder")
	u.parts = []types.CompletedPart{{PartNumber: aws.Int32(1), ETag: good[1].ETag}}
	_, err = u.complete(nil, nil)
	s.fails("another part's ETag", err, 400, "InvalidPart")
	u.parts = []types.CompletedPart{{PartNumber: aws.Int32(5), ETag: good[1].ETag}}
	_, err = u.complete(nil, nil)
	s.fails("a part that is not there", err, 400, "InvalidPart")

	_, err = s.c.AbortMultipartUpload(s.ctx, &s3.AbortMultipartUploadInput{Bucket: &s.bucket, Key: &u.key, UploadId: &u.id})
	s.must(err, "abort")
	u.parts = good
	_, err = u.complete(nil, nil)
	s.fails("complete after abort", err, 404, "NoSuchUpload")
	_, err = s.c.UploadPart(s.ctx, &s3.UploadPartInput{
		Bucket: &s.bucket, Key: &u.key, UploadId: &u.id, PartNumber: aws.Int32(1), Body: strings.NewReader("x"),
	})
	s.fails("part after abort", err, 404, "NoSuchUpload")
	keys, _, _ := s.list(s3.ListObjectsV2Input{})
	s.same("objects", keys, nil)
}
