package s3

import (
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/aws/smithy-go"
	smithyhttp "github.com/aws/smithy-go/transport/http"

	"hydrant/source"
	"hydrant/source/internal/answer"
)

// errEmptyRange says that not even the first byte of the range exists. It does not leave this
// package.
var errEmptyRange = errors.New("range not satisfiable")

// needs is what one has to be allowed to do to read an object.
const needs = "s3:GetObject is needed, and s3:ListBucket to tell a missing object from a forbidden one"

// explain turns an error of the SDK about the blob into one of package source: what is wrong, what to
// do, and whether to ask again. Errors of the transport are left to answer.
func (s *Source) explain(err error) error { return s.explainAbout(err, s.address.Key, needs) }

// explainAbout does that for an error about the object of any key.
func (s *Source) explainAbout(err error, key, needs string) error {
	var (
		api    smithy.APIError
		status *smithyhttp.ResponseError
	)
	isAPI, isStatus := errors.As(err, &api), errors.As(err, &status)
	switch {
	case isSigning(err):
		return s.explainCredentials(err)
	case isAPI && isStatus:
		return s.explainCode(api, status.HTTPStatusCode(), header(status), key, needs)
	case isStatus && status.HTTPStatusCode() == http.StatusRequestedRangeNotSatisfiable:
		return errEmptyRange
	case isStatus && status.HTTPStatusCode() >= 300:
		return answer.Status(status.HTTPStatusCode(), header(status), time.Now())
	}
	return innermost(err)
}

func header(r *smithyhttp.ResponseError) http.Header {
	if r.Response == nil || r.Response.Response == nil {
		return nil
	}
	return r.Response.Header
}

// explainCode reads S3's error codes. A code nobody knows means what its status means.
func (s *Source) explainCode(e smithy.APIError, status int, header http.Header, key, needs string) error {
	said := answer.OneLine(fmt.Sprintf("%s: %s", e.ErrorCode(), e.ErrorMessage()))
	switch e.ErrorCode() {
	case "NoSuchKey":
		return fmt.Errorf("%w: there is no object %q in bucket %q", source.ErrNotFound, key, s.address.Bucket)
	case "NoSuchBucket":
		return fmt.Errorf("%w: there is no bucket %q", source.ErrNotFound, s.address.Bucket)
	case "NoSuchVersion":
		return fmt.Errorf("%w: there is no version %q of it", source.ErrNotFound, s.address.VersionID)
	case "MethodNotAllowed":
		return fmt.Errorf("%w: this version of it is a deletion", source.ErrNotFound)
	case "AccessDenied", "AllAccessDisabled", "AccountProblem":
		return fmt.Errorf("%w: %s (%s)", source.ErrDenied, said, needs)
	case "InvalidAccessKeyId", "SignatureDoesNotMatch", "InvalidToken", "UnrecognizedClientException":
		return fmt.Errorf("%w: %s: check AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or the profile", source.ErrDenied, said)
	case "ExpiredToken", "TokenRefreshRequired", "ExpiredTokenException":
		return fmt.Errorf("%w: %s: get new credentials", source.ErrDenied, said)
	case "InvalidObjectState":
		return fmt.Errorf("%w: it is archived, restore it first", source.ErrDenied)
	case "PermanentRedirect", "TemporaryRedirect", "MovedPermanently", "AuthorizationHeaderMalformed", "IllegalLocationConstraintException", "BadRequest":
		if hint := s.regionHint(header); hint != "" {
			return source.BadAnswer("%s%s", said, hint)
		}
	case "PreconditionFailed":
		return source.ErrChanged
	case "InvalidRange":
		return errEmptyRange
	case "SlowDown", "Throttling", "ThrottlingException", "RequestLimitExceeded", "TooManyRequests", "ServiceUnavailable":
		return source.ThrottledFor(errors.New(said), answer.RetryAfter(header, time.Now()))
	case "InternalError", "RequestTimeout", "OperationAborted", "RequestTimeTooSkewed":
		// The SDK has taken over the server's time with the answer: the next try is in time.
		return source.WithKind(errors.New(said), source.Transient)
	}
	if status == http.StatusRequestedRangeNotSatisfiable {
		return errEmptyRange
	}
	if err := answer.Status(status, header, time.Now()); err != nil {
		return fmt.Errorf("%w (%s)", err, said)
	}
	return source.BadAnswer("%s", said)
}

// regionHint says in which region the bucket is, if the server did.
func (s *Source) regionHint(header http.Header) string {
	region := header.Get("X-Amz-Bucket-Region")
	if region == "" {
		return ": the bucket is in another region, name it with region= or AWS_REGION"
	}
	return fmt.Sprintf(": the bucket is in another region, use region=%s", answer.OneLine(region))
}
