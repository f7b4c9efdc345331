//go:build e2e

package e2e

import (
	"testing"

	"hydrant/internal/s3conform"
)

// TestConform holds the real server to the checks that the embedded one passes.
func TestConform(t *testing.T) {
	s := startServer(t)
	s3conform.Run(t, s3conform.Target{
		Endpoint: s.url, Region: region, AccessKey: accessKey, SecretKey: secretKey, Versioning: true,
		Deviations: []string{
			"If-Modified-Since the very second", // it compares with the file's nanoseconds
			"encoding-type",                     // not done
			"InvalidAccessKeyId",                // 404 XAdminUserNotFound when it has one account only
		},
	})
}
