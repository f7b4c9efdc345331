package s3test

import (
	"cmp"
	"encoding/xml"
	"net/http"
	"slices"
	"strings"
)

type versioningConfiguration struct {
	XMLName xml.Name `xml:"VersioningConfiguration"`
	Status  string   `xml:",omitempty"`
}

func (c *call) getBucketVersioning() error {
	status, err := c.versioning()
	if err != nil {
		return err
	}
	c.answerXML(200, versioningConfiguration{Status: status})
	return nil
}

// versioning is the state of the bucket; the error is NoSuchBucket.
func (c *call) versioning() (string, error) {
	c.s.store.mu.Lock()
	defer c.s.store.mu.Unlock()
	b, err := c.s.store.bucketLocked(c.bucket)
	if err != nil {
		return "", err
	}
	return b.versioning, nil
}

func (c *call) putBucketVersioning() error {
	var req versioningConfiguration
	if err := c.readXML(&req); err != nil {
		return err
	}
	if req.Status != "Enabled" && req.Status != "Suspended" {
		return fail(400, "IllegalVersioningConfigurationException", "The Versioning element must be specified")
	}
	if err := c.s.store.setVersioning(c.bucket, req.Status); err != nil {
		return err
	}
	c.answerEmpty(http.StatusOK)
	return nil
}

func (st *store) setVersioning(bucket, status string) error {
	st.mu.Lock()
	defer st.mu.Unlock()
	b, err := st.bucketLocked(bucket)
	if err != nil {
		return err
	}
	b.versioning = status
	return nil
}

type listedVersion struct {
	XMLName      xml.Name
	Key          string
	VersionId    string
	IsLatest     bool
	LastModified string
	ETag         string `xml:",omitempty"`
	Size         *int64
}

type versionsResult struct {
	XMLName     xml.Name `xml:"http://s3.amazonaws.com/doc/2006-03-01/ ListVersionsResult"`
	Name        string
	Prefix      string
	MaxKeys     int
	IsTruncated bool
	Versions    []listedVersion
}

// listObjectVersions answers with everything in one page, the newest of each key first; it does not roll up.
func (c *call) listObjectVersions() error {
	prefix := c.q.Get("prefix")
	res := versionsResult{Name: c.bucket, Prefix: c.encode(prefix), MaxKeys: maxKeys}
	versions, err := c.s.store.versions(c.bucket, prefix)
	if err != nil {
		return err
	}
	for i, o := range versions {
		v := listedVersion{
			XMLName: xml.Name{Local: "DeleteMarker"}, Key: c.encode(o.key), VersionId: cmp.Or(o.version, "null"),
			IsLatest: i == 0 || versions[i-1].key != o.key, LastModified: xmlTime(o.modified),
		}
		if o.content != nil {
			size := o.content.size()
			v.XMLName.Local, v.ETag, v.Size = "Version", `"`+o.etag+`"`, &size
		}
		res.Versions = append(res.Versions, v)
	}
	c.answerXML(200, res)
	return nil
}

func (st *store) versions(bucket, prefix string) ([]*object, error) {
	st.mu.Lock()
	defer st.mu.Unlock()
	b, err := st.bucketLocked(bucket)
	if err != nil {
		return nil, err
	}
	var out []*object
	for _, k := range b.keys() {
		if strings.HasPrefix(k, prefix) {
			for _, o := range slices.Backward(b.objects[k]) {
				out = append(out, o)
			}
		}
	}
	return out, nil
}
