package s3test

import (
	"maps"
	"net"
	"net/http"
	"sync"
	"time"
)

// Stats are counts since the start or the last Reset. Bytes are those of bodies. A request and its bytes are counted
// before the client can see them, so a client that has its answer finds it here.
type Stats struct {
	Requests    map[Op]int64
	Total       int64         // all requests
	Status      map[int]int64 // answers by HTTP status; answers that were never given are missing
	BytesOut    int64
	BytesIn     int64
	InFlight    int64 // now; not reset
	MaxInFlight int64
	Open        int64 // connections now; not reset
	MaxOpen     int64
	Connections int64 // accepted
}

// Access is one request for an object.
type Access struct {
	Op     Op
	Bucket string
	Key    string
	Conn   uint64        // numbers of connections are unique in a server
	At     time.Duration // arrival, since the start or the last Reset
	Range  string        // the Range header as it came
	Off    int64         // what is served: content[Off, Off+Len)
	Len    int64
	Sent   int64         // body bytes handed to the connection so far
	Status int           // 0: no answer yet, or never one
	Done   time.Duration // when the last of Sent was handed over
}

type stats struct {
	mu    sync.Mutex
	n     Stats
	log   []*Access
	since time.Time
	conns map[net.Conn]bool

	closed bool
	done   chan struct{} // closed when closed && n.InFlight == 0
}

func newStats() *stats {
	s := &stats{conns: map[net.Conn]bool{}, done: make(chan struct{})}
	s.resetLocked()
	return s
}

func (s *stats) resetLocked() {
	s.n = Stats{
		Requests: map[Op]int64{}, Status: map[int]int64{},
		InFlight: s.n.InFlight, MaxInFlight: s.n.InFlight,
		Open: s.n.Open, MaxOpen: s.n.Open,
	}
	s.log, s.since = nil, time.Now()
}

// enter counts a request in flight; false after close.
func (s *stats) enter() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return false
	}
	s.n.InFlight++
	s.n.MaxInFlight = max(s.n.MaxInFlight, s.n.InFlight)
	return true
}

func (s *stats) leave() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.n.InFlight--
	if s.closed && s.n.InFlight == 0 {
		close(s.done)
	}
}

// close lets no more requests in and waits for those that are.
func (s *stats) close() {
	s.mu.Lock()
	if !s.closed && s.n.InFlight == 0 {
		close(s.done)
	}
	s.closed = true
	s.mu.Unlock()
	<-s.done
}

// begin counts and logs c, whose op and target are set.
func (s *stats) begin(c *call) *Access {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.n.Requests[c.op]++
	s.n.Total++
	a := &Access{
		Op: c.op, Bucket: c.bucket, Key: c.key, Conn: c.conn.id,
		At: time.Since(s.since), Range: c.r.Header.Get("Range"),
	}
	if c.key != "" {
		s.log = append(s.log, a)
	}
	return a
}

func (s *stats) serves(a *Access, off, n int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	a.Off, a.Len = off, n
}

func (s *stats) status(a *Access, status int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	a.Status = status
	s.n.Status[status]++
}

func (s *stats) sent(a *Access, n int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	a.Sent += n
	a.Done = time.Since(s.since)
	s.n.BytesOut += n
}

func (s *stats) received(n int64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.n.BytesIn += n
}

// connState is the http.Server's hook.
func (s *stats) connState(nc net.Conn, state http.ConnState) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch state {
	case http.StateNew:
		s.conns[nc] = true
		s.n.Connections++
		s.n.Open++
		s.n.MaxOpen = max(s.n.MaxOpen, s.n.Open)
	case http.StateClosed, http.StateHijacked:
		if s.conns[nc] {
			delete(s.conns, nc)
			s.n.Open--
		}
	}
}

// Stats is a copy of the counts.
func (s *Server) Stats() Stats {
	s.stats.mu.Lock()
	defer s.stats.mu.Unlock()
	n := s.stats.n
	n.Requests, n.Status = maps.Clone(n.Requests), maps.Clone(n.Status)
	return n
}

// Log is every request for the object, in order of arrival; an empty key stands for all of the bucket's.
func (s *Server) Log(bucket, key string) []Access {
	s.stats.mu.Lock()
	defer s.stats.mu.Unlock()
	var out []Access
	for _, a := range s.stats.log {
		if a.Bucket == bucket && (key == "" || a.Key == key) {
			out = append(out, *a)
		}
	}
	return out
}

// Reset sets the counts and the log to nothing. Objects, network and faults stay.
func (s *Server) Reset() {
	s.stats.mu.Lock()
	defer s.stats.mu.Unlock()
	s.stats.resetLocked()
}
