package answer

import (
	"net/http"
	"sync"

	"hydrant/source"
)

// Conns are the connections of a source: those for requests that somebody waits for, and those for
// the background. A reader's request finds an idle connection of its own, and has no handshake to wait
// for because the background has just taken that.
//
// Sources that would set up their connections in the same way have them in common: what a thousand
// small blobs of one server cost is not a thousand times the connections.
type Conns struct {
	Waited, Background *http.Transport

	shared string // "": with nobody
	users  int    // guarded by common.mu
}

var common struct {
	mu sync.Mutex // guards of
	of map[string]*Conns
}

// Connect sets up tr for a source of that kind. All of a kind whose transports are alike have it in
// common. connections bounds the connections to one host, of this source alone, over which then
// everything goes; 0 means no bound. alike says whether there is nothing special about tr.
func Connect(kind string, tr *http.Transport, connections int, alike bool) *Conns {
	Tune(tr, connections)
	if connections > 0 {
		return &Conns{Waited: tr, Background: tr}
	}
	if !alike {
		return &Conns{Waited: tr, Background: tr.Clone()}
	}
	common.mu.Lock()
	defer common.mu.Unlock()
	c := common.of[kind]
	if c == nil {
		c = &Conns{Waited: tr, Background: tr.Clone(), shared: kind}
		if common.of == nil {
			common.of = make(map[string]*Conns)
		}
		common.of[kind] = c
	}
	c.users++
	return c
}

// RoundTrip implements http.RoundTripper.
func (c *Conns) RoundTrip(req *http.Request) (*http.Response, error) {
	if source.IsBackground(req.Context()) {
		return c.Background.RoundTrip(req)
	}
	return c.Waited.RoundTrip(req)
}

// Close closes the connections that nobody uses, if nobody has them in common with the caller. It is
// called once by each source.
func (c *Conns) Close() {
	if c.shared != "" {
		common.mu.Lock()
		defer common.mu.Unlock()
		if c.users--; c.users > 0 {
			return
		}
		delete(common.of, c.shared)
	}
	c.Waited.CloseIdleConnections()
	c.Background.CloseIdleConnections()
}
