package s3conform

import (
	"fmt"
	"strings"
	"sync"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
)

func (s *suite) putIf(key, data string, match, noneMatch *string) (string, error) {
	out, err := s.c.PutObject(s.ctx, &s3.PutObjectInput{
		Bucket: &s.bucket, Key: &key, Body: strings.NewReader(data), IfMatch: match, IfNoneMatch: noneMatch,
	})
	if err != nil {
		return "", err
	}
	return aws.ToString(out.ETag), nil
}

func (s *suite) writeConditions() {
	star := aws.String("*")
	one, err := s.putIf("object", "one", nil, star)
	s.must(err, "create")
	_, err = s.putIf("object", "two", nil, star)
	s.fails("create again", err, 412, "PreconditionFailed")
	s.equal("after it", s.get("object"), "one")

	two, err := s.putIf("object", "two", &one, nil)
	s.must(err, "swap")
	_, err = s.putIf("object", "three", &one, nil)
	s.fails("swap a stale one", err, 412, "PreconditionFailed")
	s.equal("after it", s.get("object"), "two")

	_, err = s.putIf("absent", "x", &two, nil)
	s.fails("swap what is not there", err, 404, "NoSuchKey")

	again := s.put("object", "two")
	s.equal("ETag of the same bytes", again, two)
}

const racers = 16

// race runs f for 16 writers at once and checks that exactly one succeeds, the others with 412, and that its write is
// the one that stands.
func (s *suite) race(key string, f func(data string) error) {
	s.Helper()
	errs := make([]error, racers)
	start := make(chan struct{})
	var all sync.WaitGroup
	for i := range errs {
		all.Go(func() {
			<-start
			errs[i] = f(fmt.Sprintf("writer %d", i))
		})
	}
	close(start)
	all.Wait()

	var winners []string
	for i, err := range errs {
		if err == nil {
			winners = append(winners, fmt.Sprintf("writer %d", i))
			continue
		}
		// S3 may also answer 409 when two conditional writes overlap.
		if status := statusOf(err); status != 412 && status != 409 {
			s.Errorf("loser %d: %v", i, err)
		}
	}
	if len(winners) != 1 {
		s.Fatalf("%d winners: %v", len(winners), winners)
	}
	s.equal("what stands", s.get(key), winners[0])
}

func (s *suite) raceCreate() {
	for round := range 5 {
		key := fmt.Sprint("object", round)
		s.race(key, func(data string) error {
			_, err := s.putIf(key, data, nil, aws.String("*"))
			return err
		})
	}
}

func (s *suite) raceSwap() {
	etag := s.put("object", "start")
	for range 5 {
		s.race("object", func(data string) error {
			_, err := s.putIf("object", data, &etag, nil)
			return err
		})
		etag = s.put("object", "start")
	}
}
