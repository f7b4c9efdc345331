package s3test_test

import (
	"testing"

	"hydrant/internal/s3conform"
	"hydrant/internal/s3test"
)

func TestConform(t *testing.T) {
	s := s3test.Start(t, s3test.Options{Region: "eu-west-1"})
	s3conform.Run(t, s3conform.Target{
		Endpoint: s.URL(), Region: s.Region(), AccessKey: s.AccessKey(), SecretKey: s.SecretKey(), Versioning: true,
	})
}
