package s3test

import (
	"context"
	"net"
	"sync/atomic"
)

// conn is what the server remembers of one client connection.
type conn struct {
	id     uint64
	down   pace        // response bodies
	up     pace        // request bodies
	served atomic.Bool // a request has come: the next ones pay no connect latency
}

type connKey struct{}

func (s *Server) connContext(ctx context.Context, _ net.Conn) context.Context {
	return context.WithValue(ctx, connKey{}, &conn{id: s.nextID.Add(1)})
}

// connOf returns the connection of a request, or a fresh one when the listener is not ours.
func (s *Server) connOf(ctx context.Context) *conn {
	if c, ok := ctx.Value(connKey{}).(*conn); ok {
		return c
	}
	return &conn{id: s.nextID.Add(1)}
}
