package s3

import (
	"bytes"
	"context"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/aws"
	awss3 "github.com/aws/aws-sdk-go-v2/service/s3"

	"hydrant/source"
)

// ReadBeside implements source.Sidecar: the current version of the object whose key is the blob's
// with the suffix.
func (s *Source) ReadBeside(ctx context.Context, suffix string, most int64) ([]byte, error) {
	b, err := s.readBeside(ctx, suffix, most)
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", s.beside(suffix), err)
	}
	return b, nil
}

func (s *Source) readBeside(ctx context.Context, suffix string, most int64) ([]byte, error) {
	req := s.life.Begin(ctx)
	defer req.End()
	key := s.address.Key + suffix
	got, err := s.client.GetObject(req.Context, &awss3.GetObjectInput{Bucket: &s.address.Bucket, Key: &key})
	if err != nil {
		return nil, req.Fail(s.explainAbout(err, key, needs))
	}
	defer got.Body.Close()
	b, err := source.ReadShort(got.Body, most)
	if err != nil {
		return nil, req.Fail(err)
	}
	return b, nil
}

// WriteBeside implements source.SidecarWriter.
func (s *Source) WriteBeside(ctx context.Context, suffix string, b []byte) error {
	req := s.life.Begin(ctx)
	defer req.End()
	key := s.address.Key + suffix
	_, err := s.client.PutObject(req.Context, &awss3.PutObjectInput{
		Bucket: &s.address.Bucket, Key: &key, Body: bytes.NewReader(b), ContentLength: aws.Int64(int64(len(b)))},
		// Servers that are not Amazon's do not all know the checksums that the SDK would add.
		func(o *awss3.Options) { o.RequestChecksumCalculation = aws.RequestChecksumCalculationWhenRequired })
	if err != nil {
		err = req.Fail(s.explainAbout(err, key, "s3:PutObject is needed"))
		return fmt.Errorf("write %s: %w", s.beside(suffix), err)
	}
	return nil
}

// beside is the address of what lies beside the blob, for messages.
func (s *Source) beside(suffix string) Address {
	a := s.address
	a.Key, a.VersionID = a.Key+suffix, ""
	return a
}
