//go:build e2e

package e2e

import (
	"bytes"
	"context"
	"errors"
	"io/fs"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/s3"
)

const (
	accessKey = "hydranttest"
	secretKey = "hydrant-test-secret"
	region    = "us-east-1"
)

// server is a versitygw that runs as a child process for the length of a test.
type server struct {
	url string
	dir string // buckets are folders in it, objects plain files
}

// startServer runs versitygw on an empty folder and waits until it answers.
func startServer(t *testing.T) *server {
	t.Helper()
	bin := binary(t)
	base := t.TempDir()
	s := &server{dir: filepath.Join(base, "objects")}
	versions := filepath.Join(base, "versions")
	for _, dir := range []string{s.dir, versions} {
		if err := os.Mkdir(dir, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	addr := freeAddress(t)
	s.url = "http://" + addr

	var output lockedBuffer
	cmd := exec.Command(bin, "--port", addr, "--access", accessKey, "--secret", secretKey, "--region", region,
		"--keep-alive", "--quiet", "posix", "--versioning-dir", versions, s.dir)
	cmd.Dir, cmd.Stdout, cmd.Stderr = base, &output, &output
	if err := cmd.Start(); err != nil {
		t.Fatalf("start versitygw: %v", err)
	}
	exited := make(chan error, 1)
	go func() { exited <- cmd.Wait() }()
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		<-exited
		if t.Failed() {
			t.Logf("versitygw said:\n%s", output.String())
		}
	})
	s.awaitAnswer(t, exited, &output)
	return s
}

// awaitAnswer returns when the server answers HTTP, whatever it says.
func (s *server) awaitAnswer(t *testing.T, exited chan error, output *lockedBuffer) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	for {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, s.url, nil)
		if err != nil {
			t.Fatal(err)
		}
		res, err := http.DefaultClient.Do(req)
		if err == nil {
			_ = res.Body.Close()
			return
		}
		select {
		case err := <-exited:
			exited <- err
			t.Fatalf("versitygw ended before it answered: %v\n%s", err, output.String())
		case <-ctx.Done():
			t.Fatalf("versitygw does not answer: %v\n%s", err, output.String())
		case <-time.After(10 * time.Millisecond): // a foreign process cannot tell us that it is ready
		}
	}
}

// binary is versitygw's path. There is no skipping: without it the test has failed.
func binary(t *testing.T) string {
	t.Helper()
	path := os.Getenv("HYDRANT_VERSITYGW")
	if path == "" {
		path = filepath.Join("..", ".build", "versitygw")
	}
	path, err := filepath.Abs(path)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
		t.Fatalf("no versitygw at %s: run `make versitygw`, or name another in HYDRANT_VERSITYGW", path)
	} else if err != nil {
		t.Fatal(err)
	}
	return path
}

// freeAddress is one that nobody listens on now.
func freeAddress(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// source is the URL by which hydrant names an object of the server.
func (s *server) source(bucket, key string) string {
	q := url.Values{"endpoint": {s.url}, "region": {region}, "path-style": {"true"}}
	u := url.URL{Scheme: "s3", Host: bucket, Path: "/" + key, RawQuery: q.Encode()}
	return u.String()
}

// setenv gives this process, and so its children, the server's credentials and no others.
func (s *server) setenv(t *testing.T) {
	t.Helper()
	for name, value := range map[string]string{
		"AWS_ACCESS_KEY_ID":           accessKey,
		"AWS_SECRET_ACCESS_KEY":       secretKey,
		"AWS_SESSION_TOKEN":           "",
		"AWS_REGION":                  region,
		"AWS_PROFILE":                 "",
		"AWS_CA_BUNDLE":               "",
		"AWS_ENDPOINT_URL":            "",
		"AWS_ENDPOINT_URL_S3":         "",
		"AWS_CONFIG_FILE":             os.DevNull,
		"AWS_SHARED_CREDENTIALS_FILE": os.DevNull,
		"AWS_EC2_METADATA_DISABLED":   "true",
	} {
		t.Setenv(name, value)
	}
}

// client is an SDK client with full rights.
func (s *server) client() *s3.Client {
	return s3.New(s3.Options{
		BaseEndpoint: aws.String(s.url),
		Region:       region,
		UsePathStyle: true,
		Credentials:  credentials.NewStaticCredentialsProvider(accessKey, secretKey, ""),
	})
}

// putFile stores the file at path as an object, in a bucket that is made if need be.
func (s *server) putFile(t *testing.T, bucket, key, path string) {
	t.Helper()
	c := s.client()
	if _, err := c.HeadBucket(t.Context(), &s3.HeadBucketInput{Bucket: &bucket}); err != nil {
		if _, err := c.CreateBucket(t.Context(), &s3.CreateBucketInput{Bucket: &bucket}); err != nil {
			t.Fatalf("create bucket %s: %v", bucket, err)
		}
	}
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := c.PutObject(t.Context(), &s3.PutObjectInput{Bucket: &bucket, Key: &key, Body: f}); err != nil {
		t.Fatalf("put %s/%s: %v", bucket, key, err)
	}
}

// lockedBuffer collects a child's output while a test may look at it.
type lockedBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}
