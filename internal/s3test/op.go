package s3test

import (
	"net/http"
	"net/url"
)

// Op is an operation by S3's own name for it.
type Op string

// The operations the server knows. OpOther is answered 501 NotImplemented.
const (
	OpOther                   Op = "Other"
	OpListBuckets             Op = "ListBuckets"
	OpCreateBucket            Op = "CreateBucket"
	OpHeadBucket              Op = "HeadBucket"
	OpDeleteBucket            Op = "DeleteBucket"
	OpGetBucketLocation       Op = "GetBucketLocation"
	OpGetBucketVersioning     Op = "GetBucketVersioning"
	OpPutBucketVersioning     Op = "PutBucketVersioning"
	OpListObjects             Op = "ListObjects"
	OpListObjectsV2           Op = "ListObjectsV2"
	OpListObjectVersions      Op = "ListObjectVersions"
	OpListMultipartUploads    Op = "ListMultipartUploads"
	OpDeleteObjects           Op = "DeleteObjects"
	OpGetObject               Op = "GetObject"
	OpHeadObject              Op = "HeadObject"
	OpPutObject               Op = "PutObject"
	OpCopyObject              Op = "CopyObject"
	OpDeleteObject            Op = "DeleteObject"
	OpCreateMultipartUpload   Op = "CreateMultipartUpload"
	OpUploadPart              Op = "UploadPart"
	OpUploadPartCopy          Op = "UploadPartCopy"
	OpCompleteMultipartUpload Op = "CompleteMultipartUpload"
	OpAbortMultipartUpload    Op = "AbortMultipartUpload"
	OpListParts               Op = "ListParts"
)

// handlers says who answers what.
var handlers = map[Op]func(*call) error{
	OpListBuckets:             (*call).listBuckets,
	OpCreateBucket:            (*call).createBucket,
	OpHeadBucket:              (*call).headBucket,
	OpDeleteBucket:            (*call).deleteBucket,
	OpGetBucketLocation:       (*call).getBucketLocation,
	OpGetBucketVersioning:     (*call).getBucketVersioning,
	OpPutBucketVersioning:     (*call).putBucketVersioning,
	OpListObjects:             (*call).listObjects,
	OpListObjectsV2:           (*call).listObjectsV2,
	OpListObjectVersions:      (*call).listObjectVersions,
	OpListMultipartUploads:    (*call).listMultipartUploads,
	OpDeleteObjects:           (*call).deleteObjects,
	OpGetObject:               (*call).getObject,
	OpHeadObject:              (*call).getObject,
	OpPutObject:               (*call).putObject,
	OpCopyObject:              (*call).copyObject,
	OpDeleteObject:            (*call).deleteObject,
	OpCreateMultipartUpload:   (*call).createMultipartUpload,
	OpUploadPart:              (*call).uploadPart,
	OpUploadPartCopy:          (*call).uploadPartCopy,
	OpCompleteMultipartUpload: (*call).completeMultipartUpload,
	OpAbortMultipartUpload:    (*call).abortMultipartUpload,
	OpListParts:               (*call).listParts,
}

// subresources are query keys that name an operation this server does not have.
var subresources = []string{
	"accelerate", "acl", "analytics", "attributes", "cors", "encryption", "intelligent-tiering", "inventory",
	"legal-hold", "lifecycle", "logging", "metrics", "notification", "object-lock", "ownershipControls", "policy",
	"policyStatus", "publicAccessBlock", "replication", "requestPayment", "restore", "retention", "select", "tagging",
	"torrent", "website",
}

func opOf(r *http.Request, bucket, key string, q url.Values) Op {
	for _, name := range subresources {
		if q.Has(name) {
			return OpOther
		}
	}
	switch {
	case bucket == "" && r.Method == http.MethodGet:
		return OpListBuckets
	case bucket == "":
		return OpOther
	case key == "":
		return bucketOp(r.Method, q)
	default:
		return objectOp(r, q)
	}
}

func bucketOp(method string, q url.Values) Op {
	switch {
	case method == http.MethodHead:
		return OpHeadBucket
	case method == http.MethodDelete:
		return OpDeleteBucket
	case method == http.MethodPut && q.Has("versioning"):
		return OpPutBucketVersioning
	case method == http.MethodPut:
		return OpCreateBucket
	case method == http.MethodPost && q.Has("delete"):
		return OpDeleteObjects
	case method != http.MethodGet:
		return OpOther
	case q.Has("location"):
		return OpGetBucketLocation
	case q.Has("versioning"):
		return OpGetBucketVersioning
	case q.Has("versions"):
		return OpListObjectVersions
	case q.Has("uploads"):
		return OpListMultipartUploads
	case q.Get("list-type") == "2":
		return OpListObjectsV2
	default:
		return OpListObjects
	}
}

func objectOp(r *http.Request, q url.Values) Op {
	upload := q.Has("uploadId")
	source := r.Header.Get("X-Amz-Copy-Source") != ""
	switch {
	case r.Method == http.MethodGet && upload:
		return OpListParts
	case r.Method == http.MethodGet:
		return OpGetObject
	case r.Method == http.MethodHead:
		return OpHeadObject
	case r.Method == http.MethodPut && upload && source:
		return OpUploadPartCopy
	case r.Method == http.MethodPut && upload:
		return OpUploadPart
	case r.Method == http.MethodPut && source:
		return OpCopyObject
	case r.Method == http.MethodPut:
		return OpPutObject
	case r.Method == http.MethodDelete && upload:
		return OpAbortMultipartUpload
	case r.Method == http.MethodDelete:
		return OpDeleteObject
	case r.Method == http.MethodPost && upload:
		return OpCompleteMultipartUpload
	case r.Method == http.MethodPost && q.Has("uploads"):
		return OpCreateMultipartUpload
	default:
		return OpOther
	}
}
