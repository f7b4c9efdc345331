package s3test

import (
	"encoding/xml"
	"maps"
	"net/http"
	"regexp"
	"slices"
)

type listedBucket struct{ Name, CreationDate string }

type bucketsResult struct {
	XMLName xml.Name `xml:"http://s3.amazonaws.com/doc/2006-03-01/ ListAllMyBucketsResult"`
	Owner   struct{ ID, DisplayName string }
	Buckets []listedBucket `xml:"Buckets>Bucket"`
}

func (c *call) listBuckets() error {
	var res bucketsResult
	res.Owner.ID, res.Owner.DisplayName = "s3test", "s3test"
	st := c.s.store
	st.mu.Lock()
	for _, name := range slices.Sorted(maps.Keys(st.buckets)) {
		res.Buckets = append(res.Buckets, listedBucket{name, xmlTime(st.buckets[name].created)})
	}
	st.mu.Unlock()
	c.answerXML(200, res)
	return nil
}

var bucketName = regexp.MustCompile(`^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$`)

func (c *call) createBucket() error {
	if !bucketName.MatchString(c.bucket) {
		return fail(400, "InvalidBucketName", "The specified bucket is not valid.").with("BucketName", c.bucket)
	}
	if !c.s.store.create(c.bucket) {
		return fail(409, "BucketAlreadyOwnedByYou", "Your previous request to create the named bucket succeeded and you already own it.").
			with("BucketName", c.bucket)
	}
	c.w.Header().Set("Location", "/"+c.bucket)
	c.answerEmpty(http.StatusOK)
	return nil
}

func (c *call) headBucket() error {
	c.w.Header().Set("X-Amz-Bucket-Region", c.s.opts.Region)
	if _, err := c.versioning(); err != nil {
		return err
	}
	c.answerEmpty(http.StatusOK)
	return nil
}

func (c *call) deleteBucket() error {
	st := c.s.store
	if err := func() error {
		st.mu.Lock()
		defer st.mu.Unlock()
		b, err := st.bucketLocked(c.bucket)
		if err != nil {
			return err
		}
		if len(b.objects) > 0 {
			return fail(409, "BucketNotEmpty", "The bucket you tried to delete is not empty").with("BucketName", c.bucket)
		}
		delete(st.buckets, c.bucket)
		return nil
	}(); err != nil {
		return err
	}
	c.answerEmpty(http.StatusNoContent)
	return nil
}

type locationResult struct {
	XMLName xml.Name `xml:"http://s3.amazonaws.com/doc/2006-03-01/ LocationConstraint"`
	Region  string   `xml:",chardata"`
}

func (c *call) getBucketLocation() error {
	if _, err := c.versioning(); err != nil {
		return err
	}
	res := locationResult{Region: c.s.opts.Region}
	if res.Region == "us-east-1" {
		res.Region = "" // the oldest region has no name here
	}
	c.answerXML(200, res)
	return nil
}
