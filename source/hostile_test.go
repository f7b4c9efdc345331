package source_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"strconv"
	"sync"
	"testing"
	"time"

	"hydrant/internal/pattern"
	"hydrant/internal/s3test"
	"hydrant/source"
	"hydrant/source/cache"
	"hydrant/source/http"
	"hydrant/source/limit"
	"hydrant/source/retry"
	"hydrant/source/s3"
)

const hostileSize = 300_000

var hostileBlob = pattern.Blob{Seed: 31}

// protocols are the ways to the one object of a hostile server.
var protocols = map[string]func(*testing.T, *s3test.Server) source.Source{
	"s3": func(t *testing.T, s *s3test.Server) source.Source {
		src, err := s3.Open(t.Context(), s.Source("b", "k"), s3.Options{})
		if err != nil {
			t.Fatal(err)
		}
		return src
	},
	"http": func(t *testing.T, s *s3test.Server) source.Source {
		src, err := http.Open(s.URL()+"/b/k", http.Options{})
		if err != nil {
			t.Fatal(err)
		}
		return src
	},
}

func hostile(t *testing.T) *s3test.Server {
	t.Helper()
	s := s3test.Start(t, s3test.Options{Anonymous: true, Seed: 9})
	for key, value := range s.Env() {
		t.Setenv(key, value)
	}
	s.Put("b", "k", hostileBlob.Bytes(hostileSize))
	return s
}

// bounded is a guard against a call that hangs, far beyond what anything here may take.
func bounded(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	t.Cleanup(cancel)
	return ctx
}

// Trouble goes away when asked again; a lie is found out before one byte of it is believed, is an
// error at once, and is forgotten with the lie.
func TestHostility(t *testing.T) {
	for protocol, open := range protocols {
		for _, h := range s3test.Hostilities() {
			t.Run(protocol+"/"+h.Name, func(t *testing.T) {
				s := hostile(t)
				src, err := retry.New(open(t, s), retry.Options{First: time.Millisecond, Stall: 800 * time.Millisecond})
				if err != nil {
					t.Fatal(err)
				}
				defer src.Close()
				ctx := bounded(t)
				id, _, err := src.Identify(ctx, 16)
				if err != nil {
					t.Fatal(err)
				}
				rule := s.Inject(s3test.Match{Op: s3test.OpGetObject, Times: 2}, h.Do...)
				if h.Lie {
					rule.Remove()
					rule = s.Inject(s3test.Match{Op: s3test.OpGetObject}, h.Do...)
				}
				got := make([]byte, 200_000)
				err = source.ReadAll(ctx, src, id, got, 1234)
				if rule.Hits() == 0 {
					t.Fatal("nothing hostile has happened")
				}
				if !h.Lie {
					if err != nil {
						t.Fatal(err)
					}
					if err := hostileBlob.Check(got, 1234); err != nil {
						t.Error(err)
					}
					return
				}
				if err == nil || source.KindOf(err) != source.Final {
					t.Fatalf("got %v, kind %v", err, source.KindOf(err))
				}
				if n := len(err.Error()); n > 1000 {
					t.Errorf("a message of %d bytes: %.200q…", n, err)
				}
				rule.Remove()
				if err := source.ReadAll(ctx, src, id, got, 1234); err != nil {
					t.Fatalf("afterwards: %v", err)
				}
				if err := hostileBlob.Check(got, 1234); err != nil {
					t.Error(err)
				}
			})
		}
	}
}

// No byte of a lie comes out, not even before it is known for one: an answer is judged by its head,
// and the last bytes of a body that goes on are held back.
func TestNoByteOfALie(t *testing.T) {
	for protocol, open := range protocols {
		for _, h := range s3test.Hostilities() {
			if !h.Lie {
				continue
			}
			t.Run(protocol+"/"+h.Name, func(t *testing.T) {
				s := hostile(t)
				src := open(t, s)
				defer src.Close()
				ctx := bounded(t)
				id, _, err := src.Identify(ctx, 16)
				if err != nil {
					t.Fatal(err)
				}
				s.Inject(s3test.Match{}, h.Do...)
				if got, first, err := src.Identify(ctx, 5000); err == nil && got == id {
					if err := hostileBlob.Check(first, 0); err != nil {
						t.Errorf("the first bytes: %v", err)
					}
				}
				body, err := src.ReadRange(ctx, id, 777, 5000)
				if err != nil {
					return
				}
				defer body.Close()
				got := make([]byte, 5001)
				n, off := 0, int64(777)
				for err == nil {
					var m int
					m, err = body.Read(got[n:min(n+700, len(got))])
					n += m
				}
				if n >= 5000 {
					t.Errorf("%d bytes, %v", n, err)
				}
				if err := hostileBlob.Check(got[:n], off); err != nil {
					t.Errorf("what did come: %v", err)
				}
			})
		}
	}
}

// A server that goes on about its answer is not listened to for megabytes.
func TestHeadIsBounded(t *testing.T) {
	for protocol, open := range protocols {
		t.Run(protocol, func(t *testing.T) {
			s := hostile(t)
			src := open(t, s)
			defer src.Close()
			ctx := bounded(t)
			id, _, err := src.Identify(ctx, 16)
			if err != nil {
				t.Fatal(err)
			}
			for n, want := range map[int]bool{64 << 10: true, 1 << 20: false} {
				rule := s.Inject(s3test.Match{Op: s3test.OpGetObject}, s3test.HugeHeader(n))
				err := source.ReadAll(ctx, src, id, make([]byte, 100), 0)
				if (err == nil) != want || source.KindOf(err) != source.Final {
					t.Errorf("a head of %d bytes: %.200v", n, err)
				}
				rule.Remove()
			}
		})
	}
}

// A body that breaks is resumed with the condition: of an object that was replaced meanwhile no byte
// comes, whether the server has another ETag or another size.
func TestReplacedInTheMiddle(t *testing.T) {
	for protocol, open := range protocols {
		for name, size := range map[string]int64{"same size": hostileSize, "shorter": 1000, "longer": hostileSize + 1} {
			t.Run(protocol+"/"+name, func(t *testing.T) {
				s := hostile(t)
				src, err := retry.New(open(t, s), retry.Options{First: time.Millisecond})
				if err != nil {
					t.Fatal(err)
				}
				defer src.Close()
				ctx := bounded(t)
				id, _, err := src.Identify(ctx, 16)
				if err != nil {
					t.Fatal(err)
				}
				other := pattern.Blob{Seed: 32}.Bytes(size)
				s.Inject(s3test.Match{Times: 1}, s3test.When(30_000, func() { s.Put("b", "k", other) }))
				got := make([]byte, 100_000)
				if err := source.ReadAll(ctx, src, id, got, 50); err != nil {
					t.Errorf("an answer that had begun: %v", err)
				}
				s.Put("b", "k", hostileBlob.Bytes(hostileSize))
				s.Inject(s3test.Match{Times: 1}, s3test.TruncateAfter(60_000))
				rule := s.Inject(s3test.Match{Times: 1, Skip: 1}, s3test.Delay(0))
				body, err := src.ReadRange(ctx, id, 50, 100_000)
				if err != nil {
					t.Fatal(err)
				}
				defer body.Close()
				first := make([]byte, 1000)
				if _, err := io.ReadFull(body, first); err != nil {
					t.Fatal(err)
				}
				s.Put("b", "k", other)
				n := 1000
				for err == nil {
					var m int
					m, err = body.Read(got)
					if cerr := hostileBlob.Check(got[:m], 50+int64(n)); m > 0 && cerr != nil {
						t.Fatalf("after %d bytes: %v", n, cerr)
					}
					n += m
				}
				if !errors.Is(err, source.ErrChanged) {
					t.Errorf("after %d bytes: %v", n, err)
				}
				if rule.Hits() == 0 {
					t.Error("it was not asked again")
				}
			})
		}
	}
}

// The wrappers together, many readers, a server that does all it can think of: a reader has the
// right bytes or an error, and when the server is itself again all of them have the bytes. Two
// objects share the pool, and one of them changes: no byte of the one is ever taken for the other's.
func TestHostileStack(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	if v := os.Getenv("HYDRANT_SEED"); v != "" {
		seed, _ = strconv.ParseUint(v, 10, 64)
	}
	t.Logf("HYDRANT_SEED=%d go test -run TestHostileStack ./source", seed)
	s := hostile(t)
	newer := pattern.Blob{Seed: 77}
	pool, err := cache.NewPool(1<<20, cache.Options{BlockSize: 64 << 10})
	if err != nil {
		t.Fatal(err)
	}
	defer pool.Close()
	limiter := limit.NewLimiter(0, 6)
	ctx := bounded(t)
	open := func(protocol string) source.Source {
		tried, err := retry.New(protocols[protocol](t, s), retry.Options{First: time.Millisecond, Longest: 20 * time.Millisecond, Stall: 200 * time.Millisecond})
		if err != nil {
			t.Fatal(err)
		}
		return cache.New(limit.New(tried, limiter), pool)
	}
	srcs := []source.Source{open("s3"), open("http"), open("s3"), open("http")}
	old, _, err := srcs[0].Identify(ctx, 16)
	if err != nil {
		t.Fatal(err)
	}
	now, blob := old, hostileBlob
	r := rand.New(rand.NewPCG(seed, 1))
	for round := range 6 {
		for _, h := range s3test.Choose(r, 4, true) {
			s.Inject(s3test.Match{Op: s3test.OpGetObject, Probability: 0.1}, h.Do...)
		}
		if round == 3 { // all readers of the old version must fail, or be right, from here on
			s.Put("b", "k", newer.Bytes(hostileSize))
			now, blob = source.Identity{Size: hostileSize, Tag: fmt.Sprintf("%q", s.ETag("b", "k"))}, newer
		}
		var wg sync.WaitGroup
		for i := range 8 {
			src, seed := srcs[i%len(srcs)], r.Uint64()
			wg.Go(func() {
				r := rand.New(rand.NewPCG(seed, 2))
				for range 12 {
					n := 1 + r.Int64N(100_000)
					off := r.Int64N(hostileSize - n)
					p := make([]byte, n)
					if id, blob := old, hostileBlob; r.IntN(2) == 0 {
						if err := source.ReadAll(ctx, src, id, p, off); err == nil {
							if err := blob.Check(p, off); err != nil {
								t.Errorf("round %d, the old version: %v", round, err)
							}
						}
						continue
					}
					if err := source.ReadAll(ctx, src, now, p, off); err == nil {
						if err := blob.Check(p, off); err != nil {
							t.Errorf("round %d: %v", round, err)
						}
					}
				}
			})
		}
		wg.Wait()
		s.ClearFaults()
	}
	for _, src := range srcs {
		p := make([]byte, hostileSize)
		if err := source.ReadAll(ctx, src, now, p, 0); err != nil {
			t.Errorf("afterwards: %v", err)
		} else if err := blob.Check(p, 0); err != nil {
			t.Errorf("afterwards: %v", err)
		}
		if err := src.Close(); err != nil {
			t.Error(err)
		}
	}
}
