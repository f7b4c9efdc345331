package s3test

import (
	"bytes"
	"context"
	"io"
	"testing"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/service/s3"
)

func client(s *Server) *s3.Client {
	return s3.New(s3.Options{
		BaseEndpoint: aws.String(s.URL()),
		Region:       s.Region(),
		UsePathStyle: true,
		Credentials:  credentials.NewStaticCredentialsProvider(s.AccessKey(), s.SecretKey(), ""),
	})
}

func TestPutGetThroughSDK(t *testing.T) {
	s := Start(t, Options{})
	s.CreateBucket("bucket")
	c := client(s)
	ctx := context.Background()
	data := bytes.Repeat([]byte("0123456789"), 1000)
	put, err := c.PutObject(ctx, &s3.PutObjectInput{Bucket: aws.String("bucket"), Key: aws.String("a/b c+d"), Body: bytes.NewReader(data)})
	if err != nil {
		t.Fatal(err)
	}
	if got := aws.ToString(put.ETag); got != `"`+s.ETag("bucket", "a/b c+d")+`"` {
		t.Errorf("ETag = %s", got)
	}
	out, err := c.GetObject(ctx, &s3.GetObjectInput{Bucket: aws.String("bucket"), Key: aws.String("a/b c+d"), Range: aws.String("bytes=5-14")})
	if err != nil {
		t.Fatal(err)
	}
	got, err := io.ReadAll(out.Body)
	if err != nil || string(got) != "5678901234" {
		t.Errorf("range = %q, %v", got, err)
	}
	st := s.Stats()
	if st.Requests[OpGetObject] != 1 || st.BytesOut != 10 || st.Connections != 1 {
		t.Errorf("stats = %+v", st)
	}
}
