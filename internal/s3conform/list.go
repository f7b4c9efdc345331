package s3conform

import (
	"fmt"
	"net/url"
	"slices"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
)

// list walks all pages and returns keys and common prefixes in the order they came.
func (s *suite) list(in s3.ListObjectsV2Input) (keys, prefixes []string, pages int) {
	s.Helper()
	in.Bucket = &s.bucket
	for {
		out, err := s.c.ListObjectsV2(s.ctx, &in)
		s.must(err, "list")
		pages++
		for _, o := range out.Contents {
			keys = append(keys, aws.ToString(o.Key))
		}
		for _, p := range out.CommonPrefixes {
			prefixes = append(prefixes, aws.ToString(p.Prefix))
		}
		n := len(out.Contents) + len(out.CommonPrefixes)
		s.equal("KeyCount", int(aws.ToInt32(out.KeyCount)), n)
		if in.MaxKeys != nil && n > int(*in.MaxKeys) {
			s.Errorf("page of %d, max-keys %d", n, *in.MaxKeys)
		}
		if !aws.ToBool(out.IsTruncated) {
			return keys, prefixes, pages
		}
		in.ContinuationToken = out.NextContinuationToken
		if in.ContinuationToken == nil {
			s.Fatal("truncated without a continuation token")
		}
	}
}

func (s *suite) same(what string, got, want []string) {
	s.Helper()
	if !slices.Equal(got, want) {
		s.Errorf("%s = %q, want %q", what, got, want)
	}
}

func (s *suite) listing() {
	var all []string
	for i := range 25 {
		key := fmt.Sprintf("0000/%016x-%016x.ltx", i, i)
		s.put(key, fmt.Sprint(i))
		all = append(all, key)
	}
	etag := s.put("other", "x")
	all = append(all, "other")

	keys, _, _ := s.list(s3.ListObjectsV2Input{})
	s.same("all", keys, all)
	keys, _, pages := s.list(s3.ListObjectsV2Input{MaxKeys: aws.Int32(10)})
	s.same("by tens", keys, all)
	s.equal("pages", pages, 3)
	keys, _, pages = s.list(s3.ListObjectsV2Input{MaxKeys: aws.Int32(13)})
	s.same("by thirteens", keys, all)
	s.equal("pages", pages, 2)
	keys, _, _ = s.list(s3.ListObjectsV2Input{Prefix: aws.String("0000/")})
	s.same("prefix", keys, all[:25])
	keys, _, _ = s.list(s3.ListObjectsV2Input{StartAfter: &all[9]})
	s.same("start-after a key", keys, all[10:])
	keys, _, _ = s.list(s3.ListObjectsV2Input{StartAfter: aws.String("0000/z"), MaxKeys: aws.Int32(1)})
	s.same("start-after no key", keys, all[25:])
	keys, _, _ = s.list(s3.ListObjectsV2Input{Prefix: aws.String("0000/"), StartAfter: &all[9], MaxKeys: aws.Int32(4)})
	s.same("prefix, start-after, pages", keys, all[10:25])
	keys, _, _ = s.list(s3.ListObjectsV2Input{Prefix: aws.String("nothing/")})
	s.same("nothing", keys, nil)

	out, err := s.c.ListObjectsV2(s.ctx, &s3.ListObjectsV2Input{Bucket: &s.bucket, Prefix: aws.String("other")})
	s.must(err, "list")
	s.equal("ETag in LIST", aws.ToString(out.Contents[0].ETag), etag)
	s.equal("Size in LIST", aws.ToInt64(out.Contents[0].Size), int64(1))
	if out.Contents[0].LastModified == nil {
		s.Error("no LastModified in LIST")
	}
}

func (s *suite) listingDelimiter() {
	for _, key := range []string{"a/1", "a/2", "b/c/1", "b/c/2", "b/d", "e", "f/1"} {
		s.put(key, "x")
	}
	slash := aws.String("/")
	for _, limit := range []int32{1, 2, 3, 1000} {
		keys, prefixes, _ := s.list(s3.ListObjectsV2Input{Delimiter: slash, MaxKeys: &limit})
		s.same(fmt.Sprint("keys by ", limit), keys, []string{"e"})
		s.same(fmt.Sprint("prefixes by ", limit), prefixes, []string{"a/", "b/", "f/"})
		keys, prefixes, _ = s.list(s3.ListObjectsV2Input{Delimiter: slash, Prefix: aws.String("b/"), MaxKeys: &limit})
		s.same(fmt.Sprint("keys under b/ by ", limit), keys, []string{"b/d"})
		s.same(fmt.Sprint("prefixes under b/ by ", limit), prefixes, []string{"b/c/"})
	}
}

func (s *suite) strangeKeys() {
	want := []string{"a b", "a+b", "a%2Fb", "a&b<c>", "ä/ö", "dot.db", "q?x=1", "~tilde", "a=b;c,d", "(x)'!*"}
	for _, key := range want {
		s.put(key, key)
	}
	slices.Sort(want)
	for _, key := range want {
		s.equal("body of "+key, s.get(key), key)
	}
	keys, _, _ := s.list(s3.ListObjectsV2Input{})
	slices.Sort(keys)
	s.same("keys", keys, want)

	keys, _, _ = s.list(s3.ListObjectsV2Input{EncodingType: types.EncodingTypeUrl})
	for i, k := range keys {
		decoded, err := url.QueryUnescape(k)
		s.must(err, "decode %s", k)
		keys[i] = decoded
	}
	slices.Sort(keys)
	s.deviation("encoding-type", slices.Equal(keys, want), "keys = %q, want %q", keys, want)
}
