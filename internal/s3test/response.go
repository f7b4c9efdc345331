package s3test

import (
	"io"
	"net"
	"net/http"
)

// response is the way back to the client. It forwards ReadFrom, so that the body of a file is sent by the kernel,
// and can lose everything.
type response struct {
	w    http.ResponseWriter
	lost bool // nothing is sent
	gone bool // the connection is no longer the HTTP server's
	head bool // the headers are out
}

func (r *response) Header() http.Header { return r.w.Header() }

func (r *response) WriteHeader(status int) {
	if !r.lost && !r.gone {
		r.head = true
		r.w.WriteHeader(status)
	}
}

func (r *response) Write(p []byte) (int, error) {
	if r.lost {
		return len(p), nil
	}
	return r.w.Write(p)
}

func (r *response) ReadFrom(src io.Reader) (int64, error) {
	if r.lost {
		return io.Copy(io.Discard, src)
	}
	return io.Copy(r.w, src)
}

// Flush sends what is buffered. Before WriteHeader there is nothing to send.
func (r *response) Flush() {
	if r.head && !r.gone {
		_ = http.NewResponseController(r.w).Flush()
	}
}

// seize takes the connection from the HTTP server, after what was written so far is out; nil if it is not of the
// kind that can be taken (HTTP/2).
func (r *response) seize() *net.TCPConn {
	r.Flush()
	nc, buf, err := http.NewResponseController(r.w).Hijack()
	if err != nil {
		return nil
	}
	r.gone = true
	_ = buf.Flush()
	tcp, ok := nc.(*net.TCPConn)
	if !ok {
		_ = nc.Close()
		return nil
	}
	return tcp
}

// reset ends the connection with an RST. It returns false: the body does not go on.
func (c *call) reset() bool {
	tcp := c.w.seize()
	if tcp == nil {
		panic(http.ErrAbortHandler)
	}
	_ = tcp.SetLinger(0)
	_ = tcp.Close()
	return false
}

// hangUp ends the connection in good order, however much is missing. It returns false: the body does not go on.
func (c *call) hangUp() bool {
	tcp := c.w.seize()
	if tcp == nil {
		panic(http.ErrAbortHandler)
	}
	_ = tcp.Close()
	return false
}
