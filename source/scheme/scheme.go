// Package scheme opens a source by its address.
package scheme

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"hydrant/source"
	"hydrant/source/file"
	"hydrant/source/http"
	"hydrant/source/s3"
)

var (
	// ErrUnknown is returned for an address whose scheme nobody knows.
	ErrUnknown = errors.New("unknown kind of source")
	// ErrNotYet is returned for an address that is part of the design and not built yet.
	ErrNotYet = errors.New("not supported yet")
)

// Options are what the kinds of source may be told. The zero value is the default of each.
type Options struct {
	HTTP http.Options
	S3   s3.Options
}

const known = "a path, file:, http://, https:// or s3://bucket/key"

// notYet are schemes that will come.
var notYet = []string{"litestream+s3", "litestream+file"}

// Open opens the blob at address: a path, or one of the URLs file:, http:, https: and s3:. A path
// is taken as it stands, with every character of it. It sends no request; whether the blob is
// there is for Identify to find out (a file is opened, and thus must be there).
func Open(ctx context.Context, address string, opts Options) (source.Source, error) {
	if address == "" {
		return nil, fmt.Errorf("open source: no address: want %s", known)
	}
	switch scheme := schemeOf(address); scheme {
	case "":
		return as(file.Open(address))
	case "file":
		path, err := file.ParseURL("file" + address[len(scheme):])
		if err != nil {
			return nil, err
		}
		return as(file.Open(path))
	case "http", "https":
		return as(http.Open(address, opts.HTTP))
	case "s3":
		return as(s3.Open(ctx, address, opts.S3))
	default:
		if slices.Contains(notYet, scheme) {
			return nil, fmt.Errorf("open source: %s: %w: want %s", scheme, ErrNotYet, known)
		}
		return nil, fmt.Errorf("open source: %w %q: want %s (a path with a colon in it is written ./%s:…)", ErrUnknown, scheme, known, scheme)
	}
}

// as makes an interface of a pointer, and nil of a nil pointer.
func as[S source.Source](s S, err error) (source.Source, error) {
	if err != nil {
		return nil, err
	}
	return s, nil
}

// schemeOf returns the scheme (RFC 3986, 3.1) that address begins with, in lower case, and ""
// for a path.
func schemeOf(address string) string {
	scheme, _, ok := strings.Cut(address, ":")
	if !ok || scheme == "" {
		return ""
	}
	for i, c := range []byte(strings.ToLower(scheme)) {
		letter := 'a' <= c && c <= 'z'
		if !letter && (i == 0 || !strings.ContainsRune("0123456789+-.", rune(c))) {
			return ""
		}
	}
	return strings.ToLower(scheme)
}
