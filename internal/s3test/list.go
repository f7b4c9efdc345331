package s3test

import (
	"encoding/base64"
	"encoding/xml"
	"iter"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

const maxKeys = 1000

// from yields the current objects whose keys begin with prefix and come after after, in order. It runs under store.mu.
func (b *bucket) from(prefix, after string) iter.Seq[*object] {
	return func(yield func(*object) bool) {
		keys := b.keys()
		i, _ := slices.BinarySearch(keys, max(prefix, after))
		for _, k := range keys[i:] {
			if !strings.HasPrefix(k, prefix) {
				return
			}
			o := b.current(k)
			if o != nil && k > after && !yield(o) {
				return
			}
		}
	}
}

// listing is one page.
type listing struct {
	objects   []*object
	prefixes  []string
	truncated bool
	last      string // the last key or common prefix of the page: the next page comes after it
}

// list collects up to limit keys and common prefixes that come after after, which may itself be a common prefix.
func (b *bucket) list(prefix, delimiter, after string, limit int) (l listing) {
	for o := range b.from(prefix, after) {
		common, rolled := commonPrefix(o.key, prefix, delimiter)
		if rolled && (common == after || common == l.last) {
			continue
		}
		if len(l.objects)+len(l.prefixes) == limit {
			l.truncated = limit > 0
			return l
		}
		if rolled {
			l.prefixes, l.last = append(l.prefixes, common), common
			continue
		}
		l.objects, l.last = append(l.objects, o), o.key
	}
	return l
}

// commonPrefix is the key up to and with the first delimiter after prefix.
func commonPrefix(key, prefix, delimiter string) (string, bool) {
	if delimiter == "" {
		return "", false
	}
	i := strings.Index(key[len(prefix):], delimiter)
	if i < 0 {
		return "", false
	}
	return key[:len(prefix)+i+len(delimiter)], true
}

type listedObject struct {
	Key               string
	LastModified      string
	ETag              string
	ChecksumAlgorithm string `xml:",omitempty"`
	ChecksumType      string `xml:",omitempty"`
	Size              int64
	StorageClass      string
}

type listedPrefix struct{ Prefix string }

type listResult struct {
	XMLName               xml.Name `xml:"http://s3.amazonaws.com/doc/2006-03-01/ ListBucketResult"`
	Name                  string
	Prefix                string
	Delimiter             string  `xml:",omitempty"`
	EncodingType          string  `xml:",omitempty"`
	Marker                *string // version 1
	NextMarker            string  `xml:",omitempty"`
	StartAfter            string  `xml:",omitempty"` // version 2
	ContinuationToken     string  `xml:",omitempty"`
	NextContinuationToken string  `xml:",omitempty"`
	KeyCount              *int
	MaxKeys               int
	IsTruncated           bool
	Contents              []listedObject
	CommonPrefixes        []listedPrefix
}

func (c *call) listObjectsV2() error {
	after := c.q.Get("start-after")
	token := c.q.Get("continuation-token")
	if c.q.Has("continuation-token") {
		raw, err := base64.RawURLEncoding.DecodeString(token)
		if err != nil || len(raw) == 0 {
			return invalidArgument("continuation-token", token, "The continuation token provided is incorrect")
		}
		after = string(raw)
	}
	res, l, err := c.list(after)
	if err != nil {
		return err
	}
	n := len(l.objects) + len(l.prefixes)
	res.KeyCount, res.ContinuationToken = &n, token
	res.StartAfter = c.encode(c.q.Get("start-after"))
	if l.truncated {
		res.NextContinuationToken = base64.RawURLEncoding.EncodeToString([]byte(l.last))
	}
	c.answerXML(200, res)
	return nil
}

// listObjects is the first version of listing, which old tools still use.
func (c *call) listObjects() error {
	marker := c.q.Get("marker")
	res, l, err := c.list(marker)
	if err != nil {
		return err
	}
	marker = c.encode(marker)
	res.Marker = &marker
	if l.truncated && res.Delimiter != "" {
		res.NextMarker = c.encode(l.last)
	}
	c.answerXML(200, res)
	return nil
}

// list fills what both versions have in common.
func (c *call) list(after string) (*listResult, listing, error) {
	limit, err := c.limit("max-keys")
	if err != nil {
		return nil, listing{}, err
	}
	prefix, delimiter := c.q.Get("prefix"), c.q.Get("delimiter")
	l, err := c.s.store.list(c.bucket, prefix, delimiter, after, limit)
	if err != nil {
		return nil, listing{}, err
	}
	res := &listResult{
		Name: c.bucket, Prefix: c.encode(prefix), Delimiter: c.encode(delimiter), EncodingType: c.q.Get("encoding-type"),
		MaxKeys: limit, IsTruncated: l.truncated,
	}
	for _, o := range l.objects {
		e := listedObject{
			Key: c.encode(o.key), LastModified: xmlTime(o.modified), ETag: `"` + o.etag + `"`,
			Size: o.content.size(), StorageClass: "STANDARD",
		}
		if o.checksum.value != "" {
			e.ChecksumAlgorithm, e.ChecksumType = o.checksum.algorithm, o.checksum.kind()
		}
		res.Contents = append(res.Contents, e)
	}
	for _, p := range l.prefixes {
		res.CommonPrefixes = append(res.CommonPrefixes, listedPrefix{c.encode(p)})
	}
	return res, l, nil
}

func (st *store) list(bucket, prefix, delimiter, after string, limit int) (listing, error) {
	st.mu.Lock()
	defer st.mu.Unlock()
	b, err := st.bucketLocked(bucket)
	if err != nil {
		return listing{}, err
	}
	return b.list(prefix, delimiter, after, limit), nil
}

// limit reads a page size, at most maxKeys.
func (c *call) limit(name string) (int, error) {
	v := c.q.Get(name)
	if v == "" {
		return maxKeys, nil
	}
	n, err := strconv.ParseInt(v, 10, 32)
	if err != nil || n < 0 {
		return 0, invalidArgument(name, v, "Provided %s not an integer or within integer range", name)
	}
	return int(min(n, maxKeys)), nil
}

// encode is the key as encoding-type wants it: XML cannot hold every byte a key can.
func (c *call) encode(key string) string {
	if c.q.Get("encoding-type") != "url" {
		return key
	}
	return strings.ReplaceAll(url.QueryEscape(key), "%2F", "/")
}
