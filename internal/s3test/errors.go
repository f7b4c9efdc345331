package s3test

import (
	"encoding/xml"
	"fmt"
	"net/http"
)

// apiError is an error as S3 answers it: an HTTP status and an XML document with a code.
type apiError struct {
	status  int
	code    string
	message string
	details []detail // elements that only some codes have
}

type detail struct{ name, value string }

func (e *apiError) Error() string { return fmt.Sprintf("%s: %s", e.code, e.message) }

func (e *apiError) with(name, value string) *apiError {
	e.details = append(e.details, detail{name, value})
	return e
}

// fail makes an apiError.
func fail(status int, code, format string, args ...any) *apiError {
	return &apiError{status: status, code: code, message: fmt.Sprintf(format, args...)}
}

// errNotModified is answered with a bare 304.
var errNotModified = &apiError{status: http.StatusNotModified, code: "NotModified", message: "Not Modified"}

func noSuchKey(key string) *apiError {
	return fail(404, "NoSuchKey", "The specified key does not exist.").with("Key", key)
}

func noSuchBucket(bucket string) *apiError {
	return fail(404, "NoSuchBucket", "The specified bucket does not exist").with("BucketName", bucket)
}

func preconditionFailed(condition string) *apiError {
	return fail(412, "PreconditionFailed", "At least one of the pre-conditions you specified did not hold").
		with("Condition", condition)
}

func invalidArgument(name, value, format string, args ...any) *apiError {
	return fail(400, "InvalidArgument", format, args...).with("ArgumentName", name).with("ArgumentValue", value)
}

// MarshalXML writes the <Error> document; the elements differ by code, so no struct would fit.
func (e *apiError) MarshalXML(enc *xml.Encoder, start xml.StartElement) error {
	start.Name = xml.Name{Local: "Error"}
	if err := enc.EncodeToken(start); err != nil {
		return err
	}
	all := append([]detail{{"Code", e.code}, {"Message", e.message}}, e.details...)
	for _, d := range all {
		if err := enc.EncodeElement(d.value, xml.StartElement{Name: xml.Name{Local: d.name}}); err != nil {
			return err
		}
	}
	return enc.EncodeToken(start.End())
}
