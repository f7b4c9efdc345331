// Package s3 is a source that is an object in S3 or in a server that speaks its protocol.
//
// Configuration and credentials are found as the AWS SDK finds them: environment, files, web
// identity, container, instance. An address can name what belongs to the blob (endpoint, region,
// path-style, versionId, profile) and never a secret.
package s3

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/aws/aws-sdk-go-v2/aws"
	awss3 "github.com/aws/aws-sdk-go-v2/service/s3"

	"hydrant/source"
	"hydrant/source/internal/answer"
)

// Options are what the caller of Open may choose. The zero value is the default.
type Options struct {
	// Connections bounds the connections to the server. 0 means no bound.
	Connections int
}

// Source is one object. Every request is a ranged GET with If-Match, also with a version id: a
// server that does not know versions then cannot pass off another one. It is sent once; package
// retry sends it again. Connections are shared with other Sources, unless they are bounded; those of
// the background are never used for anybody who waits.
type Source struct {
	address Address
	client  *awss3.Client
	conns   *answer.Conns
	life    *answer.Life
	once    sync.Once
	// answered is set once the server has accepted a request: from then on a failure to get
	// credentials is a trouble of the moment, not a lack of configuration.
	answered atomic.Bool
}

// Open opens the object at an s3: URL. It sends no request to it.
func Open(ctx context.Context, url string, opts Options) (*Source, error) {
	a, err := ParseURL(url)
	if err != nil {
		return nil, err
	}
	if opts.Connections < 0 {
		return nil, fmt.Errorf("open %s: Connections is %d, want 0 or more", a, opts.Connections)
	}
	client, conns, err := newClient(ctx, a, opts)
	if err != nil {
		return nil, fmt.Errorf("open %s: %w", a, err)
	}
	return &Source{address: a, client: client, conns: conns, life: answer.NewLife()}, nil
}

// URL implements source.Source: the canonical address.
func (s *Source) URL() string { return s.address.String() }

// Requests implements source.Counter. Not counted are what the SDK asks on its way to credentials,
// and what net/http sends once more because a connection it had kept was dead.
func (s *Source) Requests() int64 { return s.life.Requests() }

// Identify implements source.Source. The blob is named by its ETag, which S3 does not promise to
// be a hash. An empty object costs a second request, as no range of it can be asked for.
func (s *Source) Identify(ctx context.Context, n int64) (source.Identity, []byte, error) {
	id, first, err := s.identify(ctx, max(n, 1))
	if errors.Is(err, errEmptyRange) {
		id, err = s.identifyEmpty(ctx)
	}
	if err != nil {
		return source.Identity{}, nil, fmt.Errorf("identify %s: %w", s.address, err)
	}
	return id, first[:min(int64(len(first)), max(n, 0))], nil
}

// identify asks for the first n > 0 bytes.
func (s *Source) identify(ctx context.Context, n int64) (source.Identity, []byte, error) {
	req := s.life.Begin(ctx)
	defer req.End()
	got, err := s.get(req, &awss3.GetObjectInput{Range: aws.String(answer.RangeHeader(0, n))})
	if err != nil {
		return source.Identity{}, nil, err
	}
	defer got.Body.Close()
	if got.ContentRange == nil && length(got) == 0 {
		id, err := s.identity(got, 0) // some servers say 200 and nothing, others 416
		return id, nil, err
	}
	r, err := contentRange(got)
	if err == nil {
		err = r.First(n)
	}
	if err != nil {
		return source.Identity{}, nil, err
	}
	id, err := s.identity(got, r.Size)
	if err != nil {
		return id, nil, err
	}
	body, err := answer.NewBody(req, got.Body, length(got), r.Len)
	if err != nil {
		return id, nil, err
	}
	first := make([]byte, r.Len)
	_, err = io.ReadFull(body, first)
	return id, first, err
}

// identifyEmpty asks for the whole of an object that has no first byte.
func (s *Source) identifyEmpty(ctx context.Context) (source.Identity, error) {
	req := s.life.Begin(ctx)
	defer req.End()
	got, err := s.get(req, &awss3.GetObjectInput{})
	if err != nil {
		return source.Identity{}, err
	}
	defer got.Body.Close()
	if n := length(got); n != 0 {
		return source.Identity{}, fmt.Errorf("%w: the first byte is out of range, and yet there are %d", source.ErrNoRanges, n)
	}
	return s.identity(got, 0)
}

// ReadRange implements source.Source.
func (s *Source) ReadRange(ctx context.Context, id source.Identity, off, n int64) (io.ReadCloser, error) {
	req := s.life.Begin(ctx)
	body, err := s.readRange(req, id, off, n)
	if err != nil {
		req.End()
		return nil, fmt.Errorf("read %s at %d: %w", s.address, off, err)
	}
	return body, nil
}

func (s *Source) readRange(req *answer.Request, id source.Identity, off, n int64) (io.ReadCloser, error) {
	if off < 0 || n <= 0 || off > id.Size-n {
		return nil, fmt.Errorf("range of %d bytes is not inside %d", n, id.Size)
	}
	got, err := s.get(req, &awss3.GetObjectInput{
		Range:   aws.String(answer.RangeHeader(off, n)),
		IfMatch: aws.String(id.Tag),
	})
	if errors.Is(err, errEmptyRange) {
		return nil, fmt.Errorf("%w: it is shorter now", source.ErrChanged)
	}
	if err != nil {
		return nil, err
	}
	if err := s.check(got, id, off, n); err != nil {
		req.End()
		got.Body.Close()
		return nil, err
	}
	return answer.NewBody(req, got.Body, length(got), n)
}

// check compares the head of an answer with what was asked. Some servers ignore If-Match.
func (s *Source) check(got *awss3.GetObjectOutput, id source.Identity, off, n int64) error {
	r, err := contentRange(got)
	if err != nil {
		return err
	}
	now, err := s.identity(got, r.Size)
	if err != nil {
		return err
	}
	if now.Tag != id.Tag {
		return source.ErrChanged
	}
	return r.Exactly(off, n, id.Size)
}

// get sends one request for the object.
func (s *Source) get(req *answer.Request, in *awss3.GetObjectInput) (*awss3.GetObjectOutput, error) {
	in.Bucket, in.Key = &s.address.Bucket, &s.address.Key
	if s.address.VersionID != "" {
		in.VersionId = &s.address.VersionID
	}
	got, err := s.client.GetObject(req.Context, in)
	if err != nil {
		return nil, req.Fail(s.explain(err))
	}
	s.answered.Store(true)
	return got, nil
}

// identity reads the name of the version out of an answer.
func (s *Source) identity(got *awss3.GetObjectOutput, size int64) (source.Identity, error) {
	tag, version := aws.ToString(got.ETag), aws.ToString(got.VersionId)
	switch {
	case tag == "" || len(tag) > source.MaxTag:
		return source.Identity{}, source.BadAnswer("the object has no usable ETag (%s)", answer.Quote(tag))
	case s.address.VersionID != "" && version != s.address.VersionID:
		return source.Identity{}, source.BadAnswer("asked for version %q, got %s", s.address.VersionID, answer.Quote(version))
	}
	return source.Identity{Size: size, Tag: tag}, nil
}

// contentRange reads which range an answer holds. Some proxies compress: an object may have been
// stored with an encoding, which is then part of its bytes and of their length, but what is encoded
// on the way has no length that was known before.
func contentRange(got *awss3.GetObjectOutput) (answer.ContentRange, error) {
	if e := aws.ToString(got.ContentEncoding); e != "" && !strings.EqualFold(e, "identity") && length(got) < 0 {
		return answer.ContentRange{}, source.BadAnswer("the bytes are encoded as %s on the way", answer.Quote(e))
	}
	if got.ContentRange == nil {
		return answer.ContentRange{}, source.ErrNoRanges
	}
	return answer.ParseContentRange(*got.ContentRange)
}

// length is the declared length of the body, -1 if there is none.
func length(got *awss3.GetObjectOutput) int64 {
	if got.ContentLength == nil {
		return -1
	}
	return *got.ContentLength
}

// Close implements source.Source.
func (s *Source) Close() error {
	s.life.End()
	s.once.Do(s.conns.Close)
	return nil
}
