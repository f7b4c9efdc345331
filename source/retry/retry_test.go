package retry

import (
	"bytes"
	"context"
	"errors"
	"io"
	"io/fs"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"hydrant/internal/pattern"
	"hydrant/source"
	"hydrant/source/sourcetest"
)

var blob = pattern.Blob{Seed: 6}

func wrap(t *testing.T, f *sourcetest.Fake, opts Options) *Source {
	t.Helper()
	s, err := New(f, opts)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestSuite(t *testing.T) {
	plans := map[string]sourcetest.Plan{
		"Faultless": nil,
		"EveryThird": func(r sourcetest.Request) (f sourcetest.Fault) {
			if r.N%3 == 0 {
				f = sourcetest.Fault{Err: sourcetest.Reset(), After: int64(r.N)}
			}
			return f
		},
	}
	for name, plan := range plans {
		t.Run(name, func(t *testing.T) {
			sourcetest.Run(t, func(t *testing.T, content []byte) sourcetest.Place {
				f := sourcetest.NewFake(content)
				f.Plan(plan)
				s := wrap(t, f, Options{First: time.Microsecond})
				return sourcetest.Place{Source: s, Replace: f.Replace, Remove: f.Remove}
			})
		})
	}
}

// However a range breaks, it arrives whole and no byte of it twice.
func TestResume(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := sourcetest.NewFake(blob.Bytes(100_000))
		f.Plan(func(r sourcetest.Request) sourcetest.Fault {
			return sourcetest.Fault{Err: sourcetest.Reset(), After: 7000, Chunk: 1000}
		})
		s := wrap(t, f, Options{})
		got := make([]byte, 99_000)
		if err := source.ReadAll(t.Context(), s, f.Identity(), got, 500); err != nil {
			t.Fatal(err)
		}
		if err := blob.Check(got, 500); err != nil {
			t.Error(err)
		}
		if f.Twice() != 0 || f.Requests() != 15 {
			t.Errorf("%d requests, %d bytes twice", f.Requests(), f.Twice())
		}
	})
}

func TestBudget(t *testing.T) {
	reset := sourcetest.Always(sourcetest.Fault{Err: sourcetest.Reset()})
	tests := []struct {
		name     string
		plan     sourcetest.Plan
		opts     Options
		deadline time.Duration
		requests int64
		least    time.Duration
		most     time.Duration
		says     string
	}{
		{"default", reset, Options{}, 0, 10, 10 * time.Second, 22 * time.Second, "(10 tries)"},
		{"three", reset, Options{Tries: 3}, 0, 3, 150 * time.Millisecond, 300 * time.Millisecond, "(3 tries)"},
		{"one", reset, Options{Tries: 1}, 0, 1, 0, 0, "(1 tries)"},
		{"deadline", reset, Options{Tries: -1, First: 40 * time.Second, Longest: time.Hour}, time.Minute, 2, 20 * time.Second, 40 * time.Second, "no time for another"},
		{"final", sourcetest.Always(sourcetest.Fault{Err: source.ErrChanged}), Options{}, 0, 1, 0, 0, "changed"},
		{"advice", sourcetest.First(1, sourcetest.Fault{Err: sourcetest.SlowDown(9 * time.Second)}), Options{}, 0, 2, 9 * time.Second, 9 * time.Second, ""},
		{"silly advice", sourcetest.First(1, sourcetest.Fault{Err: sourcetest.SlowDown(time.Hour)}), Options{}, 0, 2, time.Minute, time.Minute, ""},
		{"stall", sourcetest.First(1, sourcetest.Fault{Stall: true}), Options{}, 0, 2, 15 * time.Second, 15100 * time.Millisecond, ""},
		{"stall in the body", sourcetest.First(1, sourcetest.Fault{Stall: true, After: 5}), Options{Stall: time.Second}, 0, 2, time.Second, 1100 * time.Millisecond, ""},
		{"stall for as long as just now", sourcetest.First(1, sourcetest.Fault{Stall: true}), Options{StallNow: func() time.Duration { return time.Minute }}, 0, 2, time.Minute, 60100 * time.Millisecond, ""},
		{"stall, no word on how long", sourcetest.First(1, sourcetest.Fault{Stall: true}), Options{StallNow: func() time.Duration { return 0 }}, 0, 2, 15 * time.Second, 15100 * time.Millisecond, ""},
		{"stall for ever", sourcetest.Always(sourcetest.Fault{Stall: true}), Options{Stall: -1}, time.Hour, 1, time.Hour, time.Hour, "deadline exceeded"},
	}
	for _, tt := range tests {
		for _, call := range []string{"Identify", "ReadRange"} {
			t.Run(tt.name+"/"+call, func(t *testing.T) {
				synctest.Test(t, func(t *testing.T) {
					f := sourcetest.NewFake(blob.Bytes(1000))
					f.Plan(tt.plan)
					s := wrap(t, f, tt.opts)
					ctx := t.Context()
					if tt.deadline > 0 {
						var cancel context.CancelFunc
						ctx, cancel = context.WithTimeout(ctx, tt.deadline)
						defer cancel()
					}
					begin := time.Now()
					var err error
					if call == "Identify" {
						_, _, err = s.Identify(ctx, 10)
					} else {
						err = source.ReadAll(ctx, s, f.Identity(), make([]byte, 10), 0)
					}
					took := time.Since(begin)
					if (err == nil) != (tt.says == "") || err != nil && !strings.Contains(err.Error(), tt.says) {
						t.Errorf("got %v, want %q", err, tt.says)
					}
					if f.Requests() != tt.requests || took < tt.least || took > tt.most {
						t.Errorf("%d requests in %v; want %d in %v to %v", f.Requests(), took, tt.requests, tt.least, tt.most)
					}
				})
			})
		}
	}
}

// A slow caller is not a silent server.
func TestSlowReader(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := sourcetest.NewFake(blob.Bytes(1000))
		s := wrap(t, f, Options{Stall: time.Second})
		r, err := s.ReadRange(t.Context(), f.Identity(), 0, 1000)
		if err != nil {
			t.Fatal(err)
		}
		defer r.Close()
		var got bytes.Buffer
		for range 10 {
			time.Sleep(time.Hour)
			if _, err := io.CopyN(&got, r, 100); err != nil {
				t.Fatal(err)
			}
		}
		if f.Requests() != 1 {
			t.Errorf("%d requests", f.Requests())
		}
	})
}

func TestEndsWhileWaiting(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for name, want := range map[string]error{"cancel": context.Canceled, "close": fs.ErrClosed} {
			f := sourcetest.NewFake(blob.Bytes(1000))
			f.Plan(sourcetest.Always(sourcetest.Fault{Err: sourcetest.Reset()}))
			s := wrap(t, f, Options{First: time.Hour, Longest: time.Hour})
			ctx, cancel := context.WithCancel(t.Context())
			failed := make(chan error, 1)
			go func() {
				_, _, err := s.Identify(ctx, 1)
				failed <- err
			}()
			synctest.Wait()
			if name == "close" {
				s.Close()
			} else {
				cancel()
			}
			if err := <-failed; !errors.Is(err, want) {
				t.Errorf("%s: got %v", name, err)
			}
			cancel()
			s.Close()
		}
	})
}

func TestOptions(t *testing.T) {
	for want, opts := range map[string]Options{
		"Tries is -2":       {Tries: -2},
		"First is -1ns":     {First: -1},
		"Longest is 1s":     {First: time.Minute, Longest: time.Second},
		"Stall is -1s":      {Stall: -time.Second},
		"Longest is -1m0s,": {Longest: -time.Minute},
	} {
		if _, err := New(nil, opts); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%+v: got %v", opts, err)
		}
	}
}
