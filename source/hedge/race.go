package hedge

import (
	"context"
	"io"
	"time"

	"hydrant/source"
)

// race is one range that is asked for, and perhaps asked for again.
type race struct {
	s       *Source
	ctx     context.Context // the caller's
	read    func(context.Context) (io.ReadCloser, error)
	answers chan answer
	running []context.CancelFunc // by runner; nil: it has come to its end
}

// answer is what one request came to.
type answer struct {
	runner int
	body   io.ReadCloser
	err    error
}

func (s *Source) race(ctx context.Context, id source.Identity, off, n int64, late time.Duration) (io.ReadCloser, error) {
	r := &race{s: s, ctx: ctx, answers: make(chan answer, 2)}
	r.read = func(ctx context.Context) (io.ReadCloser, error) { return s.src.ReadRange(ctx, id, off, n) }
	defer r.abandon()
	r.start()
	timer := time.NewTimer(late)
	defer timer.Stop()
	var failed error
	for {
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-timer.C:
			if s.budget.spend() {
				if s.opts.Again != nil {
					s.opts.Again(n)
				}
				r.start()
			}
		case a := <-r.answers:
			cancel := r.running[a.runner]
			r.running[a.runner] = nil
			if a.err == nil {
				return &body{a.body, cancel}, nil
			}
			cancel()
			s.budget.heed(a.err)
			if failed == nil || source.KindOf(a.err) == source.Final {
				failed = a.err
			}
			// What may pass is of no interest while the other may still answer.
			if r.left() == 0 || source.KindOf(a.err) == source.Final {
				return nil, failed
			}
		}
	}
}

func (r *race) start() {
	ctx, cancel := context.WithCancel(r.ctx)
	runner := len(r.running)
	r.running = append(r.running, cancel)
	go func() {
		body, err := r.read(ctx)
		r.answers <- answer{runner, body, err}
	}()
}

// left is how many requests have not come to their end.
func (r *race) left() (n int) {
	for _, cancel := range r.running {
		if cancel != nil {
			n++
		}
	}
	return n
}

// abandon ends what is still running, and does not wait for it.
func (r *race) abandon() {
	n := r.left()
	if n == 0 {
		return
	}
	for _, cancel := range r.running {
		if cancel != nil {
			cancel()
		}
	}
	go func() {
		for range n {
			if a := <-r.answers; a.body != nil {
				_ = a.body.Close() // nobody wants to know
			}
		}
	}()
}

// body ends its request's ctx when it is closed.
type body struct {
	io.ReadCloser
	cancel context.CancelFunc
}

func (b *body) Close() error {
	defer b.cancel()
	return b.ReadCloser.Close()
}
