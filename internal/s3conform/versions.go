package s3conform

import (
	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
)

func (s *suite) versions() {
	if !s.target.Versioning {
		return
	}
	key := aws.String("object")
	_, err := s.c.PutBucketVersioning(s.ctx, &s3.PutBucketVersioningInput{
		Bucket: &s.bucket, VersioningConfiguration: &types.VersioningConfiguration{Status: types.BucketVersioningStatusEnabled},
	})
	s.must(err, "enable")
	s.put("object", "one")
	one, err := s.c.HeadObject(s.ctx, &s3.HeadObjectInput{Bucket: &s.bucket, Key: key})
	s.must(err, "head")
	if aws.ToString(one.VersionId) == "" {
		s.Fatal("no version id")
	}
	s.put("object", "two")
	s.equal("newest", s.get("object"), "two")

	old := func(what string) {
		s.Helper()
		out, err := s.c.GetObject(s.ctx, &s3.GetObjectInput{Bucket: &s.bucket, Key: key, VersionId: one.VersionId, IfMatch: one.ETag})
		s.must(err, "get the old version %s", what)
		s.equal("old version "+what, s.read(out.Body), "one")
	}
	old("under a newer one")
	del, err := s.c.DeleteObject(s.ctx, &s3.DeleteObjectInput{Bucket: &s.bucket, Key: key})
	s.must(err, "delete")
	s.equal("delete marker", aws.ToBool(del.DeleteMarker), true)
	_, err = s.c.GetObject(s.ctx, &s3.GetObjectInput{Bucket: &s.bucket, Key: key})
	s.fails("get what is deleted", err, 404, "NoSuchKey")
	old("under a delete marker")

	list, err := s.c.ListObjectVersions(s.ctx, &s3.ListObjectVersionsInput{Bucket: &s.bucket})
	s.must(err, "list versions")
	s.equal("versions", len(list.Versions), 2)
	s.equal("markers", len(list.DeleteMarkers), 1)
	_, err = s.c.DeleteObject(s.ctx, &s3.DeleteObjectInput{Bucket: &s.bucket, Key: key, VersionId: one.VersionId})
	s.must(err, "delete a version")
	_, err = s.c.GetObject(s.ctx, &s3.GetObjectInput{Bucket: &s.bucket, Key: key, VersionId: one.VersionId})
	s.fails("get a deleted version", err, 404, "NoSuchVersion")
}
