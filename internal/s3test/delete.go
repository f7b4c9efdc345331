package s3test

import (
	"encoding/xml"
	"errors"
	"net/http"
)

// deleteObject answers DELETE. What is not there is deleted too.
func (c *call) deleteObject() error {
	cond := writeCondition{match: c.r.Header.Get("If-Match")}
	o, err := c.s.store.remove(c.bucket, c.key, c.q.Get("versionId"), cond)
	if err != nil {
		return err
	}
	if o != nil && o.version != "" {
		c.w.Header().Set("X-Amz-Version-Id", o.version)
	}
	if o != nil && o.content == nil {
		c.w.Header().Set("X-Amz-Delete-Marker", "true")
	}
	c.answerEmpty(http.StatusNoContent)
	return nil
}

type deleteRequest struct {
	Quiet  bool
	Object []struct{ Key, VersionId, ETag string }
}

type deleted struct {
	Key       string
	VersionId string `xml:",omitempty"`
}

type deleteFailed struct{ Key, Code, Message string }

type deleteResult struct {
	XMLName xml.Name `xml:"http://s3.amazonaws.com/doc/2006-03-01/ DeleteResult"`
	Deleted []deleted
	Error   []deleteFailed
}

// deleteObjects answers POST ?delete.
func (c *call) deleteObjects() error {
	if c.r.Header.Get("Content-Md5") == "" && checksumIn(c.r.Header).value == "" && c.r.Header.Get("X-Amz-Trailer") == "" {
		return fail(400, "InvalidRequest", "Missing required header for this request: Content-MD5")
	}
	var req deleteRequest
	if err := c.readXML(&req); err != nil {
		return err
	}
	if len(req.Object) == 0 || len(req.Object) > maxKeys {
		return fail(400, "MalformedXML", "The XML you provided was not well-formed or did not validate against our published schema")
	}
	var res deleteResult
	for _, o := range req.Object {
		_, err := c.s.store.remove(c.bucket, o.Key, o.VersionId, writeCondition{match: o.ETag})
		var api *apiError
		switch {
		case errors.As(err, &api) && api.code == "NoSuchBucket":
			return err
		case errors.As(err, &api):
			res.Error = append(res.Error, deleteFailed{o.Key, api.code, api.message})
		case !req.Quiet:
			res.Deleted = append(res.Deleted, deleted{o.Key, o.VersionId})
		}
	}
	c.answerXML(200, res)
	return nil
}
