package source

import (
	"context"
	"errors"
	"fmt"
	"time"
)

// Errors that every source uses for the same thing. They reach the user through all layers.
var (
	// ErrChanged is returned when the blob is no longer the version that was asked for.
	ErrChanged = errors.New("source has changed since the clone was made")
	// ErrNotFound is returned when there is no blob at the address.
	ErrNotFound = errors.New("source not found")
	// ErrDenied is returned when the credentials are missing, wrong or not sufficient.
	ErrDenied = errors.New("access to the source denied")
	// ErrNoRanges is returned when a server answers a ranged request with the whole blob.
	ErrNoRanges = errors.New("source does not serve byte ranges")
	// ErrBadAnswer is returned when an answer is not what was asked for: another range, length,
	// encoding or checksum.
	ErrBadAnswer = errors.New("source gave a wrong answer")
)

// Kind says what a caller can do about an error. It is decided where the error is born.
type Kind int

const (
	// Final errors do not go away by asking again: missing, denied, changed, malformed.
	Final Kind = iota
	// Transient errors may: a reset, a timeout, a 5xx.
	Transient
	// Throttled errors may, if asked less often: 503 SlowDown, 429. Nobody hedges on these.
	Throttled
)

type kindError struct {
	err   error
	kind  Kind
	after time.Duration
}

func (e *kindError) Error() string { return e.err.Error() }
func (e *kindError) Unwrap() error { return e.err }

// WithKind marks err as being of kind k. nil stays nil.
func WithKind(err error, k Kind) error {
	if err == nil {
		return nil
	}
	return &kindError{err: err, kind: k}
}

// ThrottledFor marks err as Throttled, with the server's own advice how long to wait (0: none).
func ThrottledFor(err error, after time.Duration) error {
	if err == nil {
		return nil
	}
	return &kindError{err: err, kind: Throttled, after: after}
}

// KindOf returns the kind of err: what WithKind said last, Final without a mark. An error of a
// ctx is Final: whoever ended the ctx does not want another try.
func KindOf(err error) Kind {
	if errors.Is(err, context.Canceled) {
		return Final
	}
	var k *kindError
	if errors.As(err, &k) {
		return k.kind
	}
	return Final
}

// RetryAfter returns the server's advice how long to wait, 0 without one.
func RetryAfter(err error) time.Duration {
	var k *kindError
	if errors.As(err, &k) {
		return k.after
	}
	return 0
}

// BadAnswer returns a final ErrBadAnswer that says what was wrong.
func BadAnswer(format string, args ...any) error {
	return fmt.Errorf("%w: %s", ErrBadAnswer, fmt.Sprintf(format, args...))
}
