package answer

import (
	"errors"
	"io"
	"io/fs"
	"sync/atomic"

	"hydrant/source"
)

// Body yields exactly n bytes of an answer's body. A shorter body is a transient error, since
// connections break; a longer one is final. It ends the request with the last byte, with an error
// and with Close.
type Body struct {
	req    *Request
	rc     io.ReadCloser
	asked  int64
	left   int64
	err    error // of all Reads from now on
	closed atomic.Bool
}

// NewBody wraps the body of an answer. length is what its Content-Length says, -1 if nothing.
// On error the request has been ended and rc closed.
func NewBody(req *Request, rc io.ReadCloser, length, n int64) (*Body, error) {
	b := &Body{req: req, rc: rc, asked: n, left: n}
	if length >= 0 && length != n {
		b.end()
		return nil, source.BadAnswer("asked for %d bytes, got a body of %d", n, length)
	}
	return b, nil
}

func (b *Body) Read(p []byte) (int, error) {
	if b.closed.Load() {
		return 0, fs.ErrClosed
	}
	if b.err != nil {
		return 0, b.err
	}
	if b.err = b.req.Ended(); b.err != nil {
		b.end() // what has arrived meanwhile is not given out
		return 0, b.err
	}
	if len(p) == 0 {
		return 0, nil
	}
	n, err := b.rc.Read(p[:min(int64(len(p)), b.left)])
	b.left -= int64(n)
	if b.left == 0 && err == nil {
		err = b.expectEnd()
	}
	switch {
	case err == nil:
		return n, nil
	case err != io.EOF && !errors.Is(err, io.ErrUnexpectedEOF):
		b.err = b.req.Fail(err)
	case b.left > 0:
		short := source.BadAnswer("the body ended after %d of %d bytes", b.asked-b.left, b.asked)
		b.err = b.req.Fail(source.WithKind(short, source.Transient))
	default:
		b.err = io.EOF
	}
	b.end()
	if b.err == io.EOF && n > 0 {
		return n, nil
	}
	if b.left == 0 && b.err != io.EOF {
		return 0, b.err // the last bytes of a body that goes on are not given out
	}
	return n, b.err
}

// expectEnd asks for one more byte after the last. It is reached only when the server did not
// say the length before, or an end is still to come on the wire.
func (b *Body) expectEnd() error {
	var one [1]byte
	for {
		n, err := b.rc.Read(one[:])
		if n > 0 {
			return source.BadAnswer("the body goes on after %d bytes", b.asked)
		}
		if err != nil {
			return err
		}
	}
}

// Close abandons what has not arrived.
func (b *Body) Close() error {
	b.closed.Store(true)
	b.end()
	return nil
}

// end may be called again, and while a Read is under way. What closing the body of an abandoned
// request says is of no use to anyone.
func (b *Body) end() {
	b.req.End()
	_ = b.rc.Close()
}
