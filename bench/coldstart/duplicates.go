package coldstart

import (
	"cmp"
	"slices"

	"hydrant/internal/s3test"
)

// duplicates is how many bytes of an object were sent more than once.
func duplicates(log []s3test.Access) (n int64) {
	log = slices.Clone(log)
	slices.SortFunc(log, func(a, b s3test.Access) int {
		return cmp.Or(cmp.Compare(a.Key, b.Key), cmp.Compare(a.Off, b.Off))
	})
	key, end := "", int64(0)
	for _, a := range log {
		if a.Key != key {
			key, end = a.Key, 0
		}
		n += max(0, min(end, a.Off+a.Sent)-a.Off)
		end = max(end, a.Off+a.Sent)
	}
	return n
}
