package source_test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"testing"
	"time"

	"hydrant/source"
	"hydrant/source/limit"
	"hydrant/source/retry"
	"hydrant/source/sourcetest"
)

func TestKindOf(t *testing.T) {
	plain := errors.New("plain")
	tests := []struct {
		err  error
		want source.Kind
		wait time.Duration
	}{
		{nil, source.Final, 0},
		{plain, source.Final, 0},
		{source.ErrChanged, source.Final, 0},
		{source.WithKind(plain, source.Transient), source.Transient, 0},
		{fmt.Errorf("read: %w", source.WithKind(plain, source.Transient)), source.Transient, 0},
		{source.ThrottledFor(plain, time.Second), source.Throttled, time.Second},
		{source.WithKind(source.WithKind(plain, source.Transient), source.Final), source.Final, 0},
		{source.WithKind(source.BadAnswer("short"), source.Transient), source.Transient, 0},
		{context.Canceled, source.Final, 0},
		{source.WithKind(context.Canceled, source.Transient), source.Final, 0},
		{context.DeadlineExceeded, source.Final, 0},
	}
	for _, tt := range tests {
		if k, wait := source.KindOf(tt.err), source.RetryAfter(tt.err); k != tt.want || wait != tt.wait {
			t.Errorf("%v: kind %v, wait %v; want %v, %v", tt.err, k, wait, tt.want, tt.wait)
		}
	}
	if source.WithKind(nil, source.Transient) != nil || source.ThrottledFor(nil, 0) != nil {
		t.Error("an error was made of nil")
	}
	if err := source.WithKind(source.BadAnswer("short"), source.Transient); !errors.Is(err, source.ErrBadAnswer) || err.Error() != "source gave a wrong answer: short" {
		t.Errorf("got %v", err)
	}
}

func TestAs(t *testing.T) {
	fake := sourcetest.NewFake(nil)
	tried, err := retry.New(fake, retry.Options{})
	if err != nil {
		t.Fatal(err)
	}
	wrapped := limit.New(tried, limit.NewLimiter(0, 0))
	if c, ok := source.As[source.Counter](wrapped); !ok || c != source.Counter(fake) {
		t.Errorf("the counter inside was not found: %v", c)
	}
	if l, ok := source.As[source.Localer](wrapped); ok {
		t.Errorf("found %v, which has no path", l)
	}
	if s, ok := source.As[*retry.Source](wrapped); !ok || s != tried {
		t.Errorf("the wrapper in the middle was not found: %v", s)
	}
}

func TestReadAll(t *testing.T) {
	f := sourcetest.NewFake([]byte("0123456789"))
	got := make([]byte, 4)
	if err := source.ReadAll(t.Context(), f, f.Identity(), got, 3); err != nil || string(got) != "3456" {
		t.Errorf("got %q, %v", got, err)
	}
	if err := source.ReadAll(t.Context(), f, f.Identity(), nil, 3); err != nil || f.Requests() != 1 {
		t.Errorf("nothing cost %d requests, %v", f.Requests()-1, err)
	}
	f.Plan(sourcetest.Always(sourcetest.Fault{After: 2, Err: io.ErrClosedPipe}))
	if err := source.ReadAll(t.Context(), f, f.Identity(), got, 3); !errors.Is(err, io.ErrClosedPipe) {
		t.Errorf("got %v", err)
	}
	if now, _ := f.InFlight(); now != 0 {
		t.Errorf("%d readers were left open", now)
	}
}
