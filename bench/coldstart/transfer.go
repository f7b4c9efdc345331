package coldstart

import (
	"context"
	"os"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/feature/s3/transfermanager"
	"github.com/aws/aws-sdk-go-v2/feature/s3/transfermanager/types"
	awss3 "github.com/aws/aws-sdk-go-v2/service/s3"

	"hydrant/source/s3"
)

// transfer gets an object with the AWS SDK's transfer manager: what people use who do not write
// their own. conns 0 leaves it its defaults.
func transfer(ctx context.Context, url, path string, conns int) (map[string]float64, error) {
	a, err := s3.ParseURL(url)
	if err != nil {
		return nil, err
	}
	cfg, err := config.LoadDefaultConfig(ctx)
	if err != nil {
		return nil, err
	}
	client := awss3.NewFromConfig(cfg, func(o *awss3.Options) {
		if a.Endpoint != "" {
			o.BaseEndpoint, o.UsePathStyle = &a.Endpoint, true
		}
		if a.Region != "" {
			o.Region = a.Region
		}
		if a.PathStyle != nil {
			o.UsePathStyle = *a.PathStyle
		}
	})
	manager := transfermanager.New(client, func(o *transfermanager.Options) {
		o.GetObjectType = types.GetObjectRanges
		if conns > 0 {
			o.Concurrency, o.PartSizeBytes = conns, downloadPart
		}
	})
	begin := time.Now()
	figures, err := intoFile(path, begin, 0, func(f *os.File) error {
		_, err := manager.DownloadObject(ctx, &transfermanager.DownloadObjectInput{Bucket: &a.Bucket, Key: aws.String(a.Key), WriterAt: f})
		return err
	})
	if err != nil {
		return nil, err
	}
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	figures["rate"] = float64(info.Size()) / figures["synced"]
	return figures, nil
}
