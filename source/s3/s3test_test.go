package s3_test

import (
	"testing"
	"time"

	"hydrant/internal/pattern"
	"hydrant/internal/s3test"
	"hydrant/source"
	"hydrant/source/retry"
	"hydrant/source/s3"
	"hydrant/source/sourcetest"
)

var blob = pattern.Blob{Seed: 3}

// start starts a strict server, and points the SDK at it and at nothing else.
func start(t *testing.T) *s3test.Server {
	t.Helper()
	s := s3test.Start(t, s3test.Options{})
	for key, value := range s.Env() {
		t.Setenv(key, value)
	}
	s.CreateBucket("b")
	return s
}

func open(t *testing.T, s *s3test.Server) *s3.Source {
	t.Helper()
	src, err := s3.Open(t.Context(), s.Source("b", "dir/k v.db"), s3.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { src.Close() })
	return src
}

func TestSuiteOnAServerThatChecksSignatures(t *testing.T) {
	sourcetest.Run(t, func(t *testing.T, content []byte) sourcetest.Place {
		s := start(t)
		s.Put("b", "dir/k v.db", content)
		return sourcetest.Place{
			Source:  open(t, s),
			Replace: func(content []byte) { s.Put("b", "dir/k v.db", content) },
			Remove:  func() { s.Delete("b", "dir/k v.db") },
			Reopen:  func(url string) (source.Source, error) { return s3.Open(t.Context(), url, s3.Options{}) },
		}
	})
}

// Whatever breaks on the way, with retry around it a range arrives whole and right.
func TestRetriesWhatBreaks(t *testing.T) {
	for name, action := range map[string]s3test.Action{
		"slow down":     s3test.SlowDown(),
		"internal":      s3test.Status(500, "InternalError"),
		"reset":         s3test.Reset(),
		"reset after":   s3test.ResetAfter(30_000),
		"cut after":     s3test.TruncateAfter(30_000),
		"silent after":  s3test.StallAfter(30_000),
		"lost response": s3test.LoseResponse(),
	} {
		t.Run(name, func(t *testing.T) {
			s := start(t)
			s.Put("b", "dir/k v.db", blob.Bytes(200_000))
			src, err := retry.New(open(t, s), retry.Options{First: time.Millisecond, Stall: 200 * time.Millisecond})
			if err != nil {
				t.Fatal(err)
			}
			id, _, err := src.Identify(t.Context(), 16)
			if err != nil {
				t.Fatal(err)
			}
			s.Inject(s3test.Match{Times: 3}, action)
			got := make([]byte, 150_000)
			if err := source.ReadAll(t.Context(), src, id, got, 1234); err != nil {
				t.Fatal(err)
			}
			if err := blob.Check(got, 1234); err != nil {
				t.Error(err)
			}
			// net/http itself asks again when a kept connection turns out to be dead.
			if c, ok := source.As[source.Counter](src); !ok || c.Requests() < 4 || c.Requests() > 5 {
				t.Errorf("%d requests, want 5", c.Requests())
			}
		})
	}
}

// A server that lies is found out at once, and is not asked again.
func TestGivesUpOnLies(t *testing.T) {
	for name, action := range map[string]s3test.Action{
		"whole object":       s3test.IgnoreRange(),
		"shifted range":      s3test.ShiftRange(1),
		"short, declared so": s3test.Short(1),
		"other tag":          s3test.ChangeETag("other"),
		"other size":         s3test.Header("Content-Range", "bytes 10-109/200001"),
	} {
		t.Run(name, func(t *testing.T) {
			s := start(t)
			s.Put("b", "dir/k v.db", blob.Bytes(200_000))
			src := open(t, s)
			id, _, err := src.Identify(t.Context(), 16)
			if err != nil {
				t.Fatal(err)
			}
			s.Inject(s3test.Match{}, action)
			err = source.ReadAll(t.Context(), src, id, make([]byte, 100), 10)
			if err == nil || source.KindOf(err) != source.Final {
				t.Errorf("got %v, kind %v", err, source.KindOf(err))
			}
		})
	}
}
