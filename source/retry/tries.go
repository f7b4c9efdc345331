package retry

import (
	"context"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"time"

	"hydrant/source"
)

// tries counts the failures of one call since it last got on.
type tries struct {
	ctx    context.Context
	s      *Source
	failed int
}

func (s *Source) begin(ctx context.Context) *tries { return &tries{ctx: ctx, s: s} }

// progress says that a byte has arrived: what failed before is forgiven.
func (t *tries) progress() { t.failed = 0 }

// next waits until it is time for another try after err. It returns the error to give up with
// when there is to be none. A wait that the ctx would not live to see the end of is not begun,
// as the caller learns more from err than from a deadline.
func (t *tries) next(err error) error {
	t.failed++
	if cerr := t.ctx.Err(); cerr != nil {
		return cerr
	}
	if source.KindOf(err) == source.Final {
		return err
	}
	if t.failed == t.s.opts.Tries {
		return fmt.Errorf("%w (%d tries)", err, t.failed)
	}
	pause := t.pause(err)
	if deadline, ok := t.ctx.Deadline(); ok && time.Until(deadline) <= pause {
		return fmt.Errorf("%w (%d tries, no time for another)", err, t.failed)
	}
	timer := time.NewTimer(pause)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-t.ctx.Done():
		return t.ctx.Err()
	case <-t.s.closed:
		return fmt.Errorf("retry: %w", fs.ErrClosed)
	}
}

// pause is how long to wait after the failure just counted.
func (t *tries) pause(err error) time.Duration {
	d := t.s.opts.First
	for i := 1; i < t.failed && d < t.s.opts.Longest; i++ {
		d *= 2
	}
	d = min(d, t.s.opts.Longest)
	d -= time.Duration(rand.Int64N(int64(d/2) + 1))
	return max(d, min(source.RetryAfter(err), longestAdvice))
}
