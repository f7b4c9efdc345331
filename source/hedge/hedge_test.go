package hedge

import (
	"context"
	"errors"
	"io"
	"math"
	"math/rand/v2"
	"os"
	"slices"
	"strconv"
	"testing"
	"testing/synctest"
	"time"

	"hydrant/internal/pattern"
	"hydrant/source"
	"hydrant/source/sourcetest"
)

var blob = pattern.Blob{Seed: 12}

const blobSize = 1 << 20

func TestSuite(t *testing.T) {
	for name, late := range map[string]bool{"WithoutHistory": false, "AllHedged": true} {
		t.Run(name, func(t *testing.T) {
			sourcetest.Run(t, func(t *testing.T, content []byte) sourcetest.Place {
				f := sourcetest.NewFake(content)
				s := New(f, Options{})
				if late {
					s.budget.saved = math.MaxInt / 2
					for range window {
						s.recent.add(-time.Second) // so that all are late at once
					}
				}
				return sourcetest.Place{Source: s, Replace: f.Replace, Remove: f.Remove}
			})
		})
	}
}

// latencies draws how long each answer of a source takes. Most take 20 to 40 ms.
func latencies(seed uint64, tail func(*rand.Rand) time.Duration, often float64) sourcetest.Plan {
	r := rand.New(rand.NewPCG(seed, 0))
	return func(sourcetest.Request) sourcetest.Fault {
		d := 20*time.Millisecond + time.Duration(r.Int64N(int64(20*time.Millisecond)))
		if r.Float64() < often {
			d = tail(r)
		}
		return sourcetest.Fault{Latency: d}
	}
}

func second(*rand.Rand) time.Duration { return time.Second }

// pareto is a tail without an end, from 100 ms on.
func pareto(r *rand.Rand) time.Duration {
	return time.Duration(float64(100*time.Millisecond) * math.Pow(1-r.Float64(), -1/1.1))
}

// took is how long each of n reads, one after the other, takes.
func took(t *testing.T, s source.Source, id source.Identity, n int) []time.Duration {
	t.Helper()
	var all []time.Duration
	got := make([]byte, 4096)
	for i := range n {
		off := int64(i*7919) % (blobSize - 4096)
		begun := time.Now()
		if err := source.ReadAll(t.Context(), s, id, got, off); err != nil {
			t.Fatal(err)
		}
		all = append(all, time.Since(begun))
		if err := blob.Check(got, off); err != nil {
			t.Fatal(err)
		}
	}
	slices.Sort(all)
	return all
}

func percent(sorted []time.Duration, p float64) time.Duration {
	return sorted[min(int(float64(len(sorted))*p/100), len(sorted)-1)]
}

func TestTail(t *testing.T) {
	seed := uint64(time.Now().UnixNano())
	if v := os.Getenv("HYDRANT_SEED"); v != "" {
		seed, _ = strconv.ParseUint(v, 10, 64)
	}
	t.Logf("HYDRANT_SEED=%d go test -run TestTail ./source/hedge", seed)
	const reads = 5000
	tests := []struct {
		name  string
		tail  func(*rand.Rand) time.Duration
		often float64
		cut   float64 // the percentile that has to come down by half
	}{
		{"one in 50 takes a second", second, 0.02, 99},
		{"one in 30 is heavy", pareto, 0.03, 99},
		{"one in 200 takes a second", second, 0.005, 99.7},
		{"more than the budget is for", second, 0.15, 0},
		{"no tail", second, 0, 0},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := sourcetest.NewFake(blob.Bytes(blobSize))
				f.Plan(latencies(seed, tt.tail, tt.often))
				plain := took(t, f, f.Identity(), reads)
				f.Forget()
				f.Plan(latencies(seed, tt.tail, tt.often))
				var again, bytes int64
				s := New(f, Options{Again: func(n int64) { again++; bytes += n }})
				hedged := took(t, s, f.Identity(), reads)
				synctest.Wait()
				t.Logf("median %v → %v, 95 %% %v → %v, 99 %% %v → %v, 99.7 %% %v → %v; %d asked twice", percent(plain, 50), percent(hedged, 50),
					percent(plain, 95), percent(hedged, 95), percent(plain, 99), percent(hedged, 99), percent(plain, 99.7), percent(hedged, 99.7), again)
				if f.Requests() != reads+again || bytes != again*4096 {
					t.Errorf("%d requests for %d reads, %d said to be second ones, of %d bytes", f.Requests(), reads, again, bytes)
				}
				if again > reads/20 {
					t.Errorf("%d of %d reads were asked for twice", again, reads)
				}
				if now, _ := f.InFlight(); now != 0 {
					t.Errorf("%d requests are still running", now)
				}
				if tt.cut > 0 && percent(hedged, tt.cut) > percent(plain, tt.cut)/2 {
					t.Errorf("%.1f of 100 took %v at most, and without %v", tt.cut, percent(hedged, tt.cut), percent(plain, tt.cut))
				}
				if tt.often == 0 && again > 0 {
					t.Errorf("%d were asked for twice, and there is no tail", again)
				}
			})
		})
	}
}

// prepared is a source that has seen answers of 10 ms, and may ask for anything twice.
func prepared(f *sourcetest.Fake, again *int) *Source {
	s := New(f, Options{Again: func(int64) { *again++ }})
	s.budget.saved = most * price
	for range window {
		s.recent.add(10 * time.Millisecond)
	}
	return s
}

// nothing is a request that is not answered.
var nothing = sourcetest.Fault{Stall: true}

func TestOneOfTwo(t *testing.T) {
	slow, broken := sourcetest.Fault{Latency: time.Second}, sourcetest.Fault{Latency: 50 * time.Millisecond, Err: sourcetest.Reset()}
	refused := sourcetest.Fault{Latency: time.Millisecond, Err: sourcetest.SlowDown(0)}
	tests := []struct {
		name          string
		first, second sourcetest.Fault
		took          time.Duration
		again         int
		kind          source.Kind
		fails         bool
	}{
		{"soon", sourcetest.Fault{Latency: 9 * time.Millisecond}, nothing, 9 * time.Millisecond, 0, 0, false},
		{"the second", slow, sourcetest.Fault{Latency: 5 * time.Millisecond}, 25 * time.Millisecond, 1, 0, false},
		{"the first after all", sourcetest.Fault{Latency: 24 * time.Millisecond}, slow, 24 * time.Millisecond, 1, 0, false},
		{"the first is silent", nothing, sourcetest.Fault{}, 20 * time.Millisecond, 1, 0, false},
		{"the second is silent", slow, nothing, time.Second, 1, 0, false},
		{"the first breaks", broken, slow, 1020 * time.Millisecond, 1, 0, false},
		{"the second breaks", slow, broken, time.Second, 1, 0, false},
		{"the second is refused", slow, refused, time.Second, 1, 0, false},
		{"both break", broken, broken, 70 * time.Millisecond, 1, source.Transient, true},
		{"the first breaks at once", sourcetest.Fault{Err: sourcetest.Reset()}, slow, 0, 0, source.Transient, true},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := sourcetest.NewFake(blob.Bytes(blobSize))
				again := 0
				s := prepared(f, &again)
				f.Plan(func(r sourcetest.Request) sourcetest.Fault {
					if r.N == 1 {
						return tt.first
					}
					return tt.second
				})
				begun, got := time.Now(), make([]byte, 1000)
				err := source.ReadAll(t.Context(), s, f.Identity(), got, 5)
				if (err != nil) != tt.fails || source.KindOf(err) != tt.kind {
					t.Errorf("%v, kind %v", err, source.KindOf(err))
				}
				if err == nil {
					if err := blob.Check(got, 5); err != nil {
						t.Error(err)
					}
				}
				if d := time.Since(begun); d != tt.took {
					t.Errorf("after %v", d)
				}
				if again != tt.again || f.Requests() != int64(1+tt.again) {
					t.Errorf("%d were said to be second ones, of %d", again, f.Requests())
				}
				synctest.Wait()
				if now, _ := f.InFlight(); now != 0 {
					t.Errorf("%d requests are still running", now)
				}
			})
		})
	}
}

// Both requests name the version: of a blob that was replaced in between no byte comes.
func TestReplacedInBetween(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := sourcetest.NewFake(blob.Bytes(blobSize))
		again := 0
		s, id := prepared(f, &again), f.Identity()
		f.Plan(sourcetest.Nth(1, nothing))
		time.AfterFunc(5*time.Millisecond, func() { f.Replace(pattern.Blob{Seed: 13}.Bytes(blobSize)) })
		err := source.ReadAll(t.Context(), s, id, make([]byte, 100), 0)
		if !errors.Is(err, source.ErrChanged) || again != 1 {
			t.Errorf("%v, %d second requests", err, again)
		}
	})
}

// What nobody waits for is sent once, and counts for nothing.
func TestBackground(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := sourcetest.NewFake(blob.Bytes(blobSize))
		again := 0
		s := prepared(f, &again)
		f.Plan(sourcetest.Always(sourcetest.Fault{Latency: time.Second}))
		for range 100 {
			if err := source.ReadAll(source.InBackground(t.Context()), s, f.Identity(), make([]byte, 10), 0); err != nil {
				t.Fatal(err)
			}
		}
		late, _ := s.recent.late()
		if again != 0 || f.Requests() != 100 || late > 30*time.Millisecond {
			t.Errorf("%d second requests of %d, late is after %v", again, f.Requests(), late)
		}
	})
}

// Once the server has said that it is asked too often, no matter to whom, nothing is asked for twice
// for a while.
func TestThrottled(t *testing.T) {
	for name, ctx := range map[string]func(context.Context) context.Context{
		"a reader": func(ctx context.Context) context.Context { return ctx }, "the background": source.InBackground,
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				f := sourcetest.NewFake(blob.Bytes(blobSize))
				again := 0
				s, id := prepared(f, &again), f.Identity()
				f.Plan(sourcetest.First(1, sourcetest.Fault{Err: sourcetest.SlowDown(0)}))
				if err := source.ReadAll(ctx(t.Context()), s, id, make([]byte, 10), 0); source.KindOf(err) != source.Throttled {
					t.Fatal(err)
				}
				slow := func() {
					f.Plan(sourcetest.Nth(int(f.Requests())+1, sourcetest.Fault{Latency: 100 * time.Millisecond}))
					if err := source.ReadAll(t.Context(), s, id, make([]byte, 10), 0); err != nil {
						t.Fatal(err)
					}
				}
				for range 3 {
					slow()
				}
				if again != 0 {
					t.Errorf("%d second requests", again)
				}
				time.Sleep(calm)
				if slow(); again != 1 {
					t.Errorf("%d second requests when it has calmed down", again)
				}
			})
		})
	}
}

// Who goes away waits for neither.
func TestCallerEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := sourcetest.NewFake(blob.Bytes(blobSize))
		again := 0
		s := prepared(f, &again)
		f.Plan(sourcetest.Always(nothing))
		ctx, cancel := context.WithTimeout(t.Context(), 40*time.Millisecond)
		defer cancel()
		_, err := s.ReadRange(ctx, f.Identity(), 0, 10)
		synctest.Wait()
		if now, most := f.InFlight(); !errors.Is(err, context.DeadlineExceeded) || again != 1 || now != 0 || most != 2 {
			t.Errorf("%v, %d second requests, %d running of %d", err, again, now, most)
		}
	})
}

// The answer that is taken goes on when the other request has been ended, and ends with Close.
func TestTakenAnswerGoesOn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := sourcetest.NewFake(blob.Bytes(blobSize))
		again := 0
		s := prepared(f, &again)
		f.Plan(func(r sourcetest.Request) sourcetest.Fault {
			return sourcetest.Fault{Latency: time.Duration(r.N%2) * time.Second, Chunk: 1000, Pause: time.Second}
		})
		body, err := s.ReadRange(t.Context(), f.Identity(), 0, 100_000)
		if err != nil {
			t.Fatal(err)
		}
		got := make([]byte, 50_000)
		if _, err := io.ReadFull(body, got); err != nil {
			t.Fatal(err)
		}
		if now, _ := f.InFlight(); now != 1 || again != 1 {
			t.Errorf("%d running, %d second requests", now, again)
		}
		if err := errors.Join(blob.Check(got, 0), body.Close()); err != nil {
			t.Error(err)
		}
		if now, _ := f.InFlight(); now != 0 {
			t.Errorf("%d running after Close", now)
		}
	})
}
