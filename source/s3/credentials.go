package s3

import (
	"fmt"
	"strings"

	smithyhttp "github.com/aws/smithy-go/transport/http"

	"github.com/aws/smithy-go"

	"hydrant/source"
	"hydrant/source/internal/answer"
)

// isSigning says whether a request was not sent for lack of credentials. The SDK has no type for
// that, and what is inside may be the failed request of another service.
func isSigning(err error) bool {
	return strings.Contains(err.Error(), "get identity:") || strings.Contains(err.Error(), "get credentials:")
}

// explainCredentials says that there are none. Once there were, it is taken for a trouble of the
// moment: the metadata service or STS are being slow.
func (s *Source) explainCredentials(err error) error {
	cause := answer.OneLine(innermost(err).Error())
	if s.answered.Load() {
		return source.WithKind(fmt.Errorf("renew the credentials: %s", cause), source.Transient)
	}
	return fmt.Errorf("%w: no AWS credentials found: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE; "+
		"a public object can be read by its https:// address (%s)", source.ErrDenied, cause)
}

// innermost drops the SDK's layers, each of which names the operation again.
func innermost(err error) error {
	for {
		switch e := err.(type) {
		case *smithy.OperationError:
			err = e.Err
		case *smithyhttp.RequestSendError:
			err = e.Err
		case *smithyhttp.ResponseError:
			err = e.Err
		case *smithy.CanceledError:
			err = e.Err
		default:
			return err
		}
	}
}
