package answer

import (
	"context"
	"io/fs"
	"sync/atomic"
)

// Life is the time between the opening and the closing of a source. The zero Life is not usable.
type Life struct {
	ctx      context.Context
	cancel   context.CancelFunc
	requests atomic.Int64
}

// NewLife starts a life.
func NewLife() *Life {
	l := &Life{}
	l.ctx, l.cancel = context.WithCancel(context.Background())
	return l
}

// End makes all requests fail, those under way as well. It may be called again.
func (l *Life) End() { l.cancel() }

// Requests is the number of requests begun.
func (l *Life) Requests() int64 { return l.requests.Load() }

// Request is one request of a source, from before it is sent until its body has been read.
type Request struct {
	// Context ends with the caller's ctx, with the source, and with End.
	Context context.Context
	caller  context.Context
	life    *Life
	cancel  context.CancelFunc
	stop    func() bool
}

// Begin begins a request for a caller. It must be ended.
func (l *Life) Begin(caller context.Context) *Request {
	l.requests.Add(1)
	ctx, cancel := context.WithCancel(caller)
	if l.ctx.Err() != nil {
		cancel() // at once: AfterFunc leaves time to send it
	}
	return &Request{
		Context: ctx,
		caller:  caller,
		life:    l,
		cancel:  cancel,
		stop:    context.AfterFunc(l.ctx, cancel),
	}
}

// End releases what the request holds. It may be called again.
func (r *Request) End() {
	r.stop()
	r.cancel()
}

// Ended returns why nothing more is to be expected: the error of the caller's ctx, or fs.ErrClosed
// if the source was closed. nil while the request goes on.
func (r *Request) Ended() error {
	if err := r.caller.Err(); err != nil {
		return err
	}
	if r.life.ctx.Err() != nil {
		return closedError{}
	}
	return nil
}

// Fail returns the error to give to the caller for err: why the request has ended, if it has,
// and otherwise err with its kind.
func (r *Request) Fail(err error) error {
	if ended := r.Ended(); ended != nil {
		return ended
	}
	return short(classify(err))
}

// closedError is fs.ErrClosed in words that fit: no file is meant.
type closedError struct{}

func (closedError) Error() string        { return "source is closed" }
func (closedError) Is(target error) bool { return target == fs.ErrClosed }
