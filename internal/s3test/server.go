package s3test

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/url"
	"os"
	"sync"
	"sync/atomic"
	"time"
)

// Options are what a Server is made with; the zero value is a server without latency, limits or faults.
type Options struct {
	AccessKey string // default "HYDRANTTESTKEY"
	SecretKey string // default "hydrant-test-secret"
	Region    string // default "us-east-1"; requests signed for another are refused

	// Anonymous also answers requests that carry no signature. A wrong signature is refused all the same.
	Anonymous bool

	// Network is in force from the start; SetNetwork changes it.
	Network Network

	// Seed makes latencies and fault probabilities repeatable for a serial client. Zero is a seed like any other.
	Seed uint64

	// MinPartSize is the least size, in bytes, of every part but the last of a multipart upload. Default 5 MiB, S3's.
	MinPartSize int64

	// Now is the server's idea of the time: signatures, Last-Modified. Default time.Now.
	Now func() time.Time
}

func (o *Options) setDefaults() {
	if o.AccessKey == "" {
		o.AccessKey = "HYDRANTTESTKEY"
	}
	if o.SecretKey == "" {
		o.SecretKey = "hydrant-test-secret"
	}
	if o.Region == "" {
		o.Region = "us-east-1"
	}
	if o.MinPartSize == 0 {
		o.MinPartSize = 5 << 20
	}
	if o.Now == nil {
		o.Now = time.Now
	}
}

// Server is an S3 server. It is also an http.Handler, so it can be put behind a listener of one's own (TLS, say);
// connections are then not counted, and each request is its own connection to the pacing.
//
// All methods may be called at any time from any goroutine.
type Server struct {
	opts    Options
	store   *store
	uploads *uploads
	stats   *stats
	faults  *faults
	rng     *rng
	net     atomic.Pointer[Network]
	total   *pace // shared by all connections
	nextID  atomic.Uint64

	ctx  context.Context // ends at Close: stalls and sleeps end with it
	stop context.CancelFunc
	http *http.Server

	mu       sync.Mutex
	listener net.Listener
	running  sync.WaitGroup // Start's goroutine
}

// New returns a server that does not listen yet. Start or Serve make it.
func New(opts Options) *Server {
	opts.setDefaults()
	s := &Server{
		opts:    opts,
		store:   newStore(opts.Now),
		uploads: newUploads(),
		stats:   newStats(),
		faults:  &faults{},
		rng:     newRNG(opts.Seed),
		total:   &pace{},
	}
	s.SetNetwork(opts.Network)
	s.ctx, s.stop = context.WithCancel(context.Background())
	s.http = &http.Server{
		Handler:     s,
		BaseContext: func(net.Listener) context.Context { return s.ctx },
		ConnContext: s.connContext,
		ConnState:   s.stats.connState,
		ErrorLog:    log.New(io.Discard, "", 0),
	}
	return s
}

// Start listens on a free port of 127.0.0.1 and serves in the background until Close.
func (s *Server) Start() error {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return fmt.Errorf("s3test: listen: %w", err)
	}
	s.setListener(l)
	s.running.Go(func() { _ = s.Serve(l) })
	return nil
}

// Serve answers requests on l until Close, then returns nil; any other reason to end is returned. It owns l.
func (s *Server) Serve(l net.Listener) error {
	s.setListener(l)
	if err := s.http.Serve(l); !errors.Is(err, http.ErrServerClosed) {
		return fmt.Errorf("s3test: serve: %w", err)
	}
	return nil
}

func (s *Server) setListener(l net.Listener) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.listener = l
}

// Close ends everything at once: stalled and sleeping requests are cut. It is idempotent.
func (s *Server) Close() error {
	s.stop()
	err := s.http.Close()
	s.running.Wait()
	s.stats.close()
	s.store.close()
	return err
}

// URL is the endpoint, "http://host:port". It is empty before Start or Serve.
func (s *Server) URL() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.listener == nil {
		return ""
	}
	return "http://" + s.listener.Addr().String()
}

// Source is the URL by which hydrant names an object (or, as a prefix, a replica) of this server. The credentials
// are not in it: see Env.
func (s *Server) Source(bucket, key string) string {
	q := url.Values{"endpoint": {s.URL()}, "region": {s.opts.Region}, "path-style": {"true"}}
	u := url.URL{Scheme: "s3", Host: bucket, Path: "/" + key, RawQuery: q.Encode()}
	return u.String()
}

// Env is the environment in which the AWS SDK and CLI reach this server with the right credentials and look nowhere
// else for any. Empty values undo what the surroundings may have set.
func (s *Server) Env() map[string]string {
	return map[string]string{
		"AWS_ACCESS_KEY_ID":           s.opts.AccessKey,
		"AWS_SECRET_ACCESS_KEY":       s.opts.SecretKey,
		"AWS_SESSION_TOKEN":           "",
		"AWS_REGION":                  s.opts.Region,
		"AWS_PROFILE":                 "",
		"AWS_CA_BUNDLE":               "",
		"AWS_CONFIG_FILE":             os.DevNull,
		"AWS_SHARED_CREDENTIALS_FILE": os.DevNull,
		"AWS_EC2_METADATA_DISABLED":   "true",
	}
}

// AccessKey, SecretKey and Region are what clients must sign with.
func (s *Server) AccessKey() string { return s.opts.AccessKey }

// SecretKey is the secret that belongs to AccessKey.
func (s *Server) SecretKey() string { return s.opts.SecretKey }

// Region is the only region requests may be signed for.
func (s *Server) Region() string { return s.opts.Region }
