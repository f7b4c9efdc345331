package s3conform

import "testing"

// on is the same suite within a subtest.
func (s *suite) on(t *testing.T) *suite {
	sub := *s
	sub.T, sub.ctx = t, t.Context()
	return &sub
}
