package s3

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/aws/middleware"
	"github.com/aws/aws-sdk-go-v2/aws/retry"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/config"
	awss3 "github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/smithy-go/logging"

	"hydrant/source"
	"hydrant/source/internal/answer"
)

// fallbackRegion signs requests where nobody names a region. Servers that are not Amazon's mostly
// do not care; Amazon's answer names the right one.
const fallbackRegion = "us-east-1"

// newClient reads the SDK's configuration: files and environment, no request is sent.
func newClient(ctx context.Context, a Address, opts Options) (*awss3.Client, *answer.Conns, error) {
	// AWS_CA_BUNDLE is only ever put into a BuildableClient, so this is one until it is read.
	load := []func(*config.LoadOptions) error{
		config.WithHTTPClient(awshttp.NewBuildableClient()),
		config.WithRetryer(credentialRetryer),
		config.WithLogger(logging.Nop{}), // the SDK's own writes to stderr
		config.WithResponseChecksumValidation(aws.ResponseChecksumValidationWhenRequired),
	}
	if a.Region != "" {
		load = append(load, config.WithRegion(a.Region))
	}
	if a.Profile != "" {
		load = append(load, config.WithSharedConfigProfile(a.Profile))
	}
	cfg, err := config.LoadDefaultConfig(ctx, load...)
	if err != nil {
		return nil, nil, configError(err)
	}
	if cfg.Region == "" {
		cfg.Region = fallbackRegion
	}
	tr := cfg.HTTPClient.(*awshttp.BuildableClient).GetTransport()
	conns := answer.Connect("s3", tr, opts.Connections, tr.TLSClientConfig == nil || tr.TLSClientConfig.RootCAs == nil)
	client := awss3.NewFromConfig(cfg, a.apply, func(o *awss3.Options) {
		// A client whose idle connections can be closed, which a BuildableClient's cannot.
		o.HTTPClient = &http.Client{Transport: conns, CheckRedirect: checkRedirect}
	})
	return client, conns, nil
}

// checkRedirect follows what keeps the method, as the SDK does; the rest is S3's way to say that
// the region is wrong. A session token does not travel to another host.
func checkRedirect(next *http.Request, via []*http.Request) error {
	if code := next.Response.StatusCode; code != 307 && code != 308 || len(via) >= 3 {
		return http.ErrUseLastResponse
	}
	if next.URL.Host != via[len(via)-1].URL.Host {
		next.Header.Del("X-Amz-Security-Token")
	}
	return nil
}

// apply sets what is S3's own. It runs after the SDK has looked for an endpoint.
func (a Address) apply(o *awss3.Options) {
	if a.Endpoint != "" {
		o.BaseEndpoint = &a.Endpoint
	}
	o.UsePathStyle = o.BaseEndpoint != nil
	if a.PathStyle != nil {
		o.UsePathStyle = *a.PathStyle
	}
	// Retrying is the work of package retry, which also resumes bodies.
	o.Retryer = aws.NopRetryer{}
	o.RetryMaxAttempts = 1
	o.DisableLogOutputChecksumValidationSkipped = true
	o.APIOptions = append(o.APIOptions, middleware.AddUserAgentKey("hydrant"))
}

// credentialRetryer is for what the SDK asks on its way to credentials: STS, SSO and the metadata
// service of an instance. The last is asked wherever nothing else is configured, and most often is
// not there; with the SDK's own three patient attempts that takes it many seconds to find out.
func credentialRetryer() aws.Retryer {
	return retry.NewStandard(func(o *retry.StandardOptions) {
		o.MaxAttempts = 2
		o.MaxBackoff = 200 * time.Millisecond
	})
}

func configError(err error) error {
	var profile config.SharedConfigProfileNotExistError
	if errors.As(err, &profile) {
		return fmt.Errorf("%w: there is no profile %q in the AWS configuration files", source.ErrDenied, profile.Profile)
	}
	return fmt.Errorf("load the AWS configuration: %w", err)
}
