package s3

import (
	"context"
	"encoding/base64"
	"encoding/binary"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/aws"
	awss3 "github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"

	"hydrant/internal/crc"
	"hydrant/source"
)

// Sum implements source.Summer: S3 keeps a CRC-64/NVME of every object that was stored without
// another checksum since the end of 2024. A composite one, which is a checksum of the parts'
// checksums, says nothing about the whole. A range's answer never has one.
func (s *Source) Sum(ctx context.Context, id source.Identity) (source.Sum, bool, error) {
	req := s.life.Begin(ctx)
	defer req.End()
	in := &awss3.HeadObjectInput{
		Bucket: &s.address.Bucket, Key: &s.address.Key, IfMatch: aws.String(id.Tag), ChecksumMode: types.ChecksumModeEnabled,
	}
	if s.address.VersionID != "" {
		in.VersionId = &s.address.VersionID
	}
	got, err := s.client.HeadObject(req.Context, in)
	if err != nil {
		return source.Sum{}, false, fmt.Errorf("ask for the checksum of %s: %w", s.address, req.Fail(s.explain(err)))
	}
	if aws.ToString(got.ETag) != id.Tag || aws.ToInt64(got.ContentLength) != id.Size {
		return source.Sum{}, false, fmt.Errorf("ask for the checksum of %s: %w", s.address, source.ErrChanged)
	}
	if got.ChecksumType != types.ChecksumTypeFullObject {
		return source.Sum{}, false, nil
	}
	for _, c := range []struct {
		kind  *crc.Kind
		value *string
	}{{crc.CRC64NVME, got.ChecksumCRC64NVME}, {crc.CRC32C, got.ChecksumCRC32C}, {crc.CRC32, got.ChecksumCRC32}} {
		if value, ok := parseSum(aws.ToString(c.value), c.kind.Size()); ok {
			return source.Sum{Kind: c.kind, Value: value}, true, nil
		}
	}
	return source.Sum{}, false, nil
}

// parseSum reads a checksum of size bytes as S3 writes it: base64, the highest byte first.
func parseSum(s string, size int) (uint64, bool) {
	b, err := base64.StdEncoding.Strict().DecodeString(s)
	if err != nil || len(b) != size {
		return 0, false
	}
	var full [8]byte
	copy(full[8-size:], b)
	return binary.BigEndian.Uint64(full[:]), true
}
