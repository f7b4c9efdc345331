package answer

import (
	"net/http"
	"time"
)

// idlePerHost is how many idle connections are kept to one host. The default of net/http is 2,
// which makes every burst of parallel ranges dial anew.
const idlePerHost = 256

// headerBytes bounds the head of an answer: far more than an object store says, and little enough to
// give up one that never ends.
const headerBytes = 256 << 10

// Tune sets up a transport for many parallel ranges of one host: HTTP/1.1, since HTTP/2 would
// put all of them on one connection and its window, no compression, since bytes are compared by
// offset, and connections kept. connections bounds those to one host; 0 means no bound.
func Tune(tr *http.Transport, connections int) {
	tr.Protocols = new(http.Protocols)
	tr.Protocols.SetHTTP1(true)
	tr.ForceAttemptHTTP2 = false
	tr.DisableCompression = true
	tr.MaxConnsPerHost = connections
	tr.MaxIdleConnsPerHost = idlePerHost
	tr.MaxIdleConns = 0
	tr.IdleConnTimeout = 90 * time.Second
	tr.MaxResponseHeaderBytes = headerBytes
}
